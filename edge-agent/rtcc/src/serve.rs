//! Starting and stopping the center: broker connection, receiver and interface, and the order in which they end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::id::{AgencyId, UnitId};
use edge_protocol::sign::Root;
use edge_protocol::topic;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::broker::tls::{Identity, IdentityError};
use crate::broker::{self, ARRIVALS, DEPARTURES, Ends, Link, LinkStatus};
use crate::clock;
use crate::database::queries::is_unit;
use crate::database::{Database, DatabaseError};
use crate::enrolment::{Desk, Lives, RESPONSES, Told};
use crate::http::tls::{InterfaceIdentity, Person, PersonListener};
use crate::http::{self, Center, NotLocal, Readers};
use crate::pki::{Authority, PkiError};
use crate::receiver::clips::{Files, FilesError};
use crate::receiver::worker::{ReceiverStatus, Worker};

/// How long the receiver waits for another receiver's transaction before it says that the database is locked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the parts have to end after the signal.
const GRACE: Duration = Duration::from_secs(5);

/// What to serve, with whose identity, and where.
#[derive(Debug)]
pub struct Plan {
    /// The agency whose units are received.
    pub agency: AgencyId,
    /// The folder for database, clips and pictures.
    pub folder: PathBuf,
    /// The broker's host as its certificate has it.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// Who this receiver is.
    pub identity: Identity,
    /// The address of the interface.
    pub listen: SocketAddr,
    /// With what the interface speaks TLS to persons alone; without it only this machine may reach it.
    pub interface: Option<InterfaceIdentity>,
    /// The folder with the key that issues certificates to units; without it this receiver enrols nobody.
    pub issuer: Option<PathBuf>,
    /// What units are told when they are enrolled.
    pub told: Told,
    /// The file with the broker's process id, where the broker runs on this machine.
    pub broker_pid: Option<PathBuf>,
}

/// Why the center did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificates cannot be used.
    #[error("cannot identify to the broker")]
    Identity(#[source] IdentityError),
    /// The interface's certificates cannot be used.
    #[error("cannot speak TLS on the interface")]
    Interface(#[source] IdentityError),
    /// The agency's root cannot be used.
    #[error("{path} is no root certificate: {why}")]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key that issues certificates cannot be used.
    #[error("cannot issue certificates")]
    Issuer(#[from] PkiError),
    /// The database cannot be opened.
    #[error("cannot open the database {path}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DatabaseError,
    },
    /// The folder cannot be used.
    #[error("cannot use the data folder")]
    Files(#[from] FilesError),
    /// The interface must not listen there.
    #[error(transparent)]
    NotLocal(#[from] NotLocal),
    /// The interface cannot listen there.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no thread, runtime or signal.
    #[error("cannot start")]
    System(#[source] std::io::Error),
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// Returns why it could not start.
pub fn serve(plan: Plan) -> Result<(), ServeError> {
    let tls = plan.interface.as_ref().map(InterfaceIdentity::server_configuration).transpose();
    let tls = tls.map_err(ServeError::Interface)?;
    if tls.is_none() {
        http::check_local(plan.listen)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("rtcc-network")
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    let (stop, stopped) = watch::channel(false);
    let Parts { worker, mut network } = Parts::prepare(&plan, stopped.clone())?;
    network.interface = tls;
    let thread = std::thread::Builder::new()
        .name("rtcc-receiver".to_owned())
        .spawn(move || worker.run())
        .map_err(ServeError::System)?;
    let served = runtime.block_on(run_network(plan, network, stopped, &stop));
    stop.send_replace(true);
    runtime.shutdown_timeout(GRACE);
    if thread.join().is_err() {
        tracing::error!("the receiver ended badly; what it had not committed was not acknowledged");
    }
    served
}

/// Everything that must be there before anything starts.
struct Parts {
    worker: Worker,
    network: Network,
}

/// What the network's side needs.
struct Network {
    interface: Option<Arc<rustls::ServerConfig>>,
    tls: Arc<rustls::ClientConfig>,
    arrivals: mpsc::Sender<broker::Arrival>,
    departures: (mpsc::Sender<broker::Departure>, mpsc::Receiver<broker::Departure>),
    news: watch::Receiver<u64>,
    receiver: Arc<ReceiverStatus>,
    desk: Arc<Desk>,
    database: PathBuf,
}

fn root(path: &Path) -> Result<Root, ServeError> {
    let unfit = |why: String| ServeError::Root { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| unfit(error.to_string()))?;
    Root::from_pem(&pem).map_err(|error| unfit(error.to_string()))
}

fn desk(plan: &Plan, root: Root) -> Result<Desk, ServeError> {
    Ok(Desk {
        agency: plan.agency.clone(),
        root,
        issuer: plan.issuer.as_deref().map(Authority::open).transpose()?,
        told: plan.told.clone(),
        broker_pid: plan.broker_pid.clone(),
    })
}

fn open(path: &Path) -> Result<Database, ServeError> {
    Database::open(path, PATIENCE).map_err(|source| ServeError::Database { path: path.to_owned(), source })
}

/// Whether the certificate is a receiver's. One that was made before those said so is let in where it can be told from
/// a unit's, so that a center that ran starts again after an update.
fn check_receiver(plan: &Plan, root: &Root, database: &Path) -> Result<(), ServeError> {
    match plan.identity.check_receiver(&plan.agency, root) {
        Err(IdentityError::Stranger { path, bare: Some(name), .. }) if is_no_units(database, &name)? => {
            tracing::warn!(
                "{} does not say that it is a receiver's. It is taken for one that was made before they said so, since \
                 no unit here is called {name}, and passes for a unit's everywhere else: `rtcc pki center` makes it \
                 anew",
                path.display()
            );
            Ok(())
        }
        judged => judged.map_err(ServeError::Identity),
    }
}

/// Whether units are known, and none of that name. A center that knows none cannot tell.
fn is_no_units(path: &Path, name: &UnitId) -> Result<bool, ServeError> {
    if !path.exists() {
        return Ok(false);
    }
    let known = is_unit(open(path)?.reader(), name.as_str());
    known
        .map(|known| known == Some(false))
        .map_err(|error| ServeError::Database { path: path.to_owned(), source: error.into() })
}

impl Parts {
    fn prepare(plan: &Plan, stop: watch::Receiver<bool>) -> Result<Self, ServeError> {
        let tls = plan.identity.client_configuration().map_err(ServeError::Identity)?;
        let root = root(&plan.identity.root)?;
        let path = plan.folder.join("center.db");
        check_receiver(plan, &root, &path)?;
        let files = Files::open(&plan.folder)?;
        let database = open(&path)?;
        let (arrivals_in, arrivals) = mpsc::channel(ARRIVALS);
        let (departures, departures_out) = mpsc::channel(DEPARTURES);
        let (news, watched) = watch::channel(0);
        let status: Arc<ReceiverStatus> = Arc::default();
        let desk = Arc::new(desk(plan, root)?);
        let worker = Worker {
            agency: plan.agency.clone(),
            desk: Arc::clone(&desk),
            lives: Lives::default(),
            database,
            files,
            arrivals,
            departures: departures.clone(),
            news,
            status: Arc::clone(&status),
            stop,
            now_us: clock::wall_us,
        };
        let network = Network {
            interface: None,
            tls,
            arrivals: arrivals_in,
            departures: (departures, departures_out),
            news: watched,
            receiver: status,
            desk,
            database: path,
        };
        Ok(Self { worker, network })
    }
}

async fn run_network(
    plan: Plan,
    network: Network,
    stopped: watch::Receiver<bool>,
    stop: &watch::Sender<bool>,
) -> Result<(), ServeError> {
    let address = plan.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let bound = listener.local_addr().map_err(ServeError::System)?;
    let link = Arc::new(LinkStatus::default());
    let (departures_in, departures) = network.departures;
    let center = Arc::new(Center {
        agency: plan.agency.to_string(),
        folder: plan.folder,
        database: network.database,
        link: Arc::clone(&link),
        receiver: network.receiver,
        desk: network.desk,
        news: network.news,
        stop: stopped.clone(),
        departures: departures_in,
        now_us: clock::wall_us,
        readers: Readers::default(),
    });
    let mut tasks = JoinSet::new();
    let ends =
        Ends { arrivals: network.arrivals, departures, status: link, stop: stopped.clone(), now_us: clock::wall_us };
    let share = Link {
        filters: vec![
            format!("$share/center/{}", topic::records_filter(&plan.agency)),
            topic::state_filter(&plan.agency),
            format!("$share/center/{}", topic::enrolment_filter()),
            RESPONSES.to_owned(),
        ],
        client: format!("{}-receiver", plan.agency),
        host: plan.host,
        port: plan.port,
        tls: network.tls,
    };
    tasks.spawn(broker::run(share, ends));
    tasks.spawn(answer(listener, network.interface, center, stopped));
    tracing::info!(address = %bound, "the interface listens");
    let told = wait_for_signal().await;
    tracing::info!("stopping");
    stop.send_replace(true);
    if tokio::time::timeout(GRACE, tasks.join_all()).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    told.map_err(ServeError::System)
}

/// Answers questions until the word to stop.
async fn answer(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    center: Arc<Center>,
    mut stopped: watch::Receiver<bool>,
) {
    let ended = async move {
        // An ended sender means the same as the word to stop.
        drop(stopped.wait_for(|stop| *stop).await);
    };
    let served = match tls {
        None => axum::serve(listener, http::local_router(center)).with_graceful_shutdown(ended).await,
        Some(tls) => {
            let persons = PersonListener::new(listener, tls, &center.agency);
            axum::serve(persons, http::router(center).into_make_service_with_connect_info::<Person>())
                .with_graceful_shutdown(ended)
                .await
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "the interface ended");
    }
}

async fn wait_for_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminate.recv() => Ok(()),
    }
}
