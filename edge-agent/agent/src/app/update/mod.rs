//! `edge-agent update`: what the service units and a technician call. Joins the update, the configuration, the audit
//! log and what the running agent says of itself.
//!
//! These commands run beside the agent, as its user: an image whose agent does not even start, be it that it refuses
//! the unit's configuration, must be given up too. One of them at a time owns the update's state; a lock on a file says
//! which.

pub(super) mod artefacts;
mod carry_out;
pub(super) mod lock;
pub(super) mod models;
mod news;
pub(super) mod outside;
pub(super) mod recall;
pub(super) mod release;
mod sight;
mod status;
mod trial;
mod web;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use edge_protocol::agent_release::AgentRelease;
use edge_protocol::model_set::ModelSet;
use edge_store::disk::RealDisk;

use crate::app::locked;
use crate::app::run::{surviving, witness};
use crate::config::{Config, DATA_DIR};
use crate::inference::restart_without_telemetry;
use crate::supervise::Clock;
use crate::update::rauc::Rauc;
use crate::update::{Before, Event, FETCHED, HOLD, Patience, Phase, Refusal, State, Updater, WITHIN, Wanted};
use artefacts::Ours as _;
use carry_out::Errand;
use lock::Lock;
use outside::Unit;
use sight::Sight;

/// Between two looks at the agent.
const LOOK: Duration = Duration::from_secs(5);

/// Installs signed bundles into the other slot, and watches over what boots.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  edge-agent update status
  edge-agent update install /media/edge-bundle.raucb
  edge-agent update models /media/models-7.set
  edge-agent update agent /media/agent-1.4.1.release
  edge-agent update confirm         what edge-mark-good.service runs
  edge-agent update carry-out       what edge-update.service runs

They run as the user that owns the data folder: sudo -u edge edge-agent update ... Each ends with 0 when \
it has done its work, and with 1 where it could not: then standard error says why.")]
pub struct UpdateArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml", global = true)]
    config: PathBuf,
    /// RAUC's configuration, where it is not the system's
    #[arg(long, value_name = "FILE", global = true)]
    rauc_conf: Option<PathBuf>,
    #[command(subcommand)]
    command: UpdateCommand,
}

#[derive(Debug, Subcommand)]
enum UpdateCommand {
    /// Slots, and how far an update is
    #[command(after_help = "Examples:
  edge-agent update status
  edge-agent update status --json           for a program

Where no configuration says which data folder is meant it ends with 1: nothing was looked at.")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Verifies a bundle and writes it to the other slot, which is then primary
    #[command(after_help = "Examples:
  edge-agent update install /media/edge-bundle.raucb
  edge-agent update install /media/edge-bundle.raucb --reboot

Refused, with nothing changed and status 1: a bundle that is damaged, signed by a stranger, for another \
board, older than the version that this unit confirmed last, or built more than half a year ago.")]
    Install {
        /// The bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Boot the new slot at once
        #[arg(long)]
        reboot: bool,
    },
    /// Unpacks a signed set of models, tests it here, and makes it the one in use
    #[command(after_help = "Examples:
  edge-agent update models /media/models-7.set

Sets are made with `rtcc models`. A set that is not signed by a policy administrator of the agency, not \
whole, older than the one that proved itself last, or that fails its self-test on this board is refused; \
the models in use stay. The running agent looks with the new ones within a moment.")]
    Models {
        /// The set
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Checks a signed release of the agent, tests it here, and has the image's agent start it in its own place
    #[command(after_help = "Examples:
  edge-agent update agent /media/agent-1.4.1.release

Releases are made with `rtcc agent` by whoever signs images. One that is signed by anybody else, not \
whole, not above the image's own version, older than one that proved itself, or made for other images is \
refused; the agent in use stays. The running agent ends and the new one starts within a moment, without regard \
to a clip that is being sent. After three crashes within five minutes the image's own agent runs again. \
Signatures are checked with the image's keyring, /usr/lib/rauc/keyring.pem, or the one that \
EDGE_AGENT_KEYRING names to this command and to the service.")]
    Agent {
        /// The release
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Watches a new slot until it is good or has to go; marks one that was good before at once
    Confirm(Watching),
    /// Downloads what the center ordered, and installs and boots it or puts it to use; ends when there is no order
    CarryOut(Watching),
}

/// How long something new is watched.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Watching {
    /// For how long everything must hold without a break
    #[arg(long, value_name = "SECONDS", default_value_t = HOLD.as_secs(), value_parser = seconds())]
    hold: u64,
    /// Within how long it must have begun to hold
    #[arg(long, value_name = "SECONDS", default_value_t = WITHIN.as_secs(), value_parser = seconds())]
    within: u64,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

impl From<Watching> for Patience {
    fn from(watching: Watching) -> Self {
        Self { hold: Duration::from_secs(watching.hold), within: Duration::from_secs(watching.within) }
    }
}

/// Runs one of the subcommands.
///
/// # Errors
/// In words: what was not done and why.
pub fn run(arguments: &UpdateArgs) -> anyhow::Result<()> {
    // Only what cannot do without a configuration asks for one: an image that refuses it is given up by `Confirm`.
    let usable = surviving::usable(&arguments.config).map(|usable| usable.config);
    let data_dir = match &usable {
        Ok(config) => Some(config.data_dir.clone()),
        Err(_) => surviving::data_dir_of_unusable(&arguments.config),
    };
    // What was looked for nowhere is not idle.
    if data_dir.is_none() && matches!(arguments.command, UpdateCommand::Status { .. }) {
        usable?;
        return Ok(());
    }
    let here = Here {
        data_dir: data_dir.unwrap_or_else(|| DATA_DIR.into()),
        config: usable.as_ref().ok().cloned(),
        config_file: arguments.config.clone(),
        rauc_conf: arguments.rauc_conf.clone(),
        clock: Clock::system(),
        patience: match &arguments.command {
            UpdateCommand::Confirm(watching) | UpdateCommand::CarryOut(watching) => Patience::from(*watching),
            UpdateCommand::Status { .. }
            | UpdateCommand::Install { .. }
            | UpdateCommand::Models { .. }
            | UpdateCommand::Agent { .. } => Patience::default(),
        },
    };
    match &arguments.command {
        UpdateCommand::Status { json } => status::show(&here, *json),
        UpdateCommand::Install { file, reboot } => here.install(file, *reboot),
        UpdateCommand::Models { file } => {
            without_telemetry()?;
            artefacts::install::<ModelSet>(&here, &usable?, file)
        }
        UpdateCommand::Agent { file } => artefacts::install::<AgentRelease>(&here, &usable?, file),
        UpdateCommand::Confirm(_) => here.confirm(),
        UpdateCommand::CarryOut(_) => {
            without_telemetry()?;
            Errand::new(&here, usable?).run()
        }
    }
}

/// Models are tested in this process, and the runtime is only loaded with its telemetry off. Before anything that
/// cannot be done twice.
fn without_telemetry() -> anyhow::Result<()> {
    restart_without_telemetry().context("cannot start again without telemetry")
}

/// This unit.
pub(in crate::app) struct Here {
    data_dir: PathBuf,
    /// None where no configuration can be used.
    config: Option<Config>,
    /// Its file.
    config_file: PathBuf,
    rauc_conf: Option<PathBuf>,
    clock: Clock,
    patience: Patience,
}

impl Here {
    fn rauc(&self) -> Rauc {
        self.rauc_conf.as_deref().map_or_else(Rauc::default, Rauc::with_configuration)
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join("update")
    }

    /// The bundle that was downloaded.
    fn downloaded(&self) -> PathBuf {
        self.folder().join(FETCHED)
    }

    /// The state as it lies on the disk, whoever owns it.
    fn peek(&self) -> anyhow::Result<State> {
        Ok(self.open()?.state().clone())
    }

    fn unit(&self) -> Unit {
        Unit::new(self.data_dir.clone(), self.config.clone(), self.clock.clone())
    }

    fn open(&self) -> anyhow::Result<Updater> {
        let opened = Updater::open(Arc::new(RealDisk), self.folder(), Box::new(self.rauc()), Box::new(self.unit()))?;
        Ok(opened.patient(self.patience))
    }

    fn updater(&self) -> anyhow::Result<(Updater, Lock)> {
        let found = self.try_updater()?;
        found.context("another update command runs; edge-mark-good.service takes some minutes after a boot")
    }

    /// The one owner of the update's state, for as long as the lock is held; none while another process is it.
    fn try_updater(&self) -> anyhow::Result<Option<(Updater, Lock)>> {
        let folder = self.owned_folder()?;
        let lock = Lock::state(&folder).with_context(|| format!("cannot lock {}", folder.display()))?;
        lock.map(|lock| Ok((self.open()?, lock))).transpose()
    }

    /// The update's folder, which is of no use to another user than the unit's.
    fn owned_folder(&self) -> anyhow::Result<PathBuf> {
        let owner = std::fs::metadata(&self.data_dir).with_context(|| self.data_dir.display().to_string())?.uid();
        let who = nix::unistd::geteuid().as_raw();
        ensure!(owner == who, "run this as the user that owns {} (uid {owner})", self.data_dir.display());
        Ok(self.folder())
    }

    /// What beside the image is on trial, in words. One that nobody watches any more is given up.
    fn on_trial(&self) -> anyhow::Result<Option<String>> {
        let models = artefacts::settle::<ModelSet>(self)?.then_some(ModelSet::WORDS.one);
        let agent = artefacts::settle::<AgentRelease>(self)?.then_some(AgentRelease::WORDS.one);
        Ok(models.or(agent).map(|one| format!("{one} is on trial")))
    }

    /// Has the state machine install a bundle, with what the running agent says of itself.
    fn ask(&self, updater: &mut Updater, wanted: Wanted) -> anyhow::Result<Option<Refusal>> {
        let seen = witness::runtime_folder().and_then(|folder| witness::read(&folder));
        if seen.is_none() {
            writeln!(std::io::stderr(), "the agent does not run here: nothing will be asked of cameras and broker")?;
        }
        let asked = Event::Asked(wanted, seen.as_ref().map(Before::from).unwrap_or_default());
        Ok(updater.handle(asked, self.clock.mono(), self.clock.wall())?)
    }

    fn install(&self, file: &Path, reboot: bool) -> anyhow::Result<()> {
        let (mut updater, _lock) = self.updater()?;
        if let Some(on_trial) = self.on_trial()? {
            bail!("{on_trial}: wait until it is in use or has gone");
        }
        let file = std::path::absolute(file)?;
        updater.start(self.clock.mono(), self.clock.wall())?;
        let wanted = Wanted { file: file.clone(), hash: None, version: None };
        if let Some(refusal) = self.ask(&mut updater, wanted)? {
            bail!("{} is refused, and nothing was changed: {refusal}", file.display());
        }
        let Phase::Installed { change } = &updater.state().phase else {
            bail!("the update is {}", updater.state().phase.as_str());
        };
        let (new, to) = (change.new.clone(), change.from.other().as_str());
        writeln!(std::io::stdout(), "{new} is in slot {to}, which is primary: it runs after the next boot")?;
        if reboot {
            updater.handle(Event::RebootAllowed, self.clock.mono(), self.clock.wall())?;
        }
        Ok(())
    }

    fn confirm(&self) -> anyhow::Result<()> {
        let (mut updater, _lock) = self.updater()?;
        if let Err(error) = self.on_trial() {
            tracing::error!(error = format!("{error:#}"), "whether models or an agent are on trial is not known");
        }
        updater.start(self.clock.mono(), self.clock.wall())?;
        let mut sight = Sight::new(witness::runtime_folder());
        let (mut said, began) = ("", self.clock.mono());
        loop {
            let phase = updater.state().phase.as_str();
            if std::mem::replace(&mut said, phase) != phase {
                tracing::info!("update: {phase}");
            }
            if is_at_rest(updater.state()) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
            let now = self.clock.mono();
            if self.leaves_locked(&mut updater, now.saturating_since(began))? {
                return Ok(());
            }
            let evidence = sight.look(now);
            updater.look(evidence, now, self.clock.wall())?;
        }
    }

    /// What is known of an update lies in the storage: where that stays locked nobody can tell whether this image is
    /// new. So it is tried again, and after the last of its attempts the bootloader takes the other slot; one that has
    /// nowhere to go stays.
    fn leaves_locked(&self, updater: &mut Updater, waited: Duration) -> anyhow::Result<bool> {
        let Some(why) = locked::why(&self.data_dir).filter(|_| waited >= self.patience.within) else {
            return Ok(false);
        };
        let boots = updater.boot_again()?;
        if boots {
            tracing::error!("storage: locked ({why}): the unit boots, to try again or to fall back to the other slot");
        }
        Ok(boots)
    }
}

/// Nothing is left to watch in this boot, and all was told.
fn is_at_rest(state: &State) -> bool {
    match state.phase {
        Phase::Idle | Phase::Good { .. } | Phase::RolledBack { .. } => state.marked && state.untold.is_empty(),
        Phase::Installed { .. } | Phase::Rebooting { .. } | Phase::RollingBack { .. } => true,
        Phase::Checking { .. } | Phase::Verified { .. } | Phase::Confirming { .. } | Phase::AwaitingLine { .. } => {
            false
        }
    }
}
