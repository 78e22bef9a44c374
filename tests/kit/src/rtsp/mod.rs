//! An RTSP camera in this process: plays a [`Reel`] in a loop and misbehaves as told.
//!
//! It is GStreamer's RTSP server on a free port of the loopback interface, fed picture by picture from memory, so that
//! a story knows every byte and time that the camera sends. Faults of the pictures are told to [`Script`]; faults of
//! the connection (one byte a second, half-open, cut) are a [`crate::proxy::Proxy`] in front of it.

mod play;
mod reel;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gstreamer_rtsp_server as server;
use server::prelude::*;
use server::{RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer, RTSPToken, gio, glib, gst};

use crate::pki::Identity;
pub use play::Script;
pub use reel::{Coding, Picture, Reel};

/// Where the stream is mounted.
const PATH: &str = "/stream";
const ROLE: &str = "viewer";

/// Who may see the camera and over what.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// User and password that the camera wants, by digest.
    pub digest: Option<(String, String)>,
    /// The certificate that it shows: then it is `rtsps://`.
    pub tls: Option<Identity>,
}

/// The camera; dropping it stops it.
#[derive(Debug)]
pub struct RtspCamera {
    access: Access,
    reel: Arc<Mutex<Arc<Reel>>>,
    script: Script,
    port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    server: RTSPServer,
    main_loop: glib::MainLoop,
    thread: JoinHandle<()>,
}

impl RtspCamera {
    /// A camera without access control that plays `reel`.
    pub fn start(reel: Reel) -> RtspCamera {
        RtspCamera::start_with(reel, Access::default())
    }

    /// A camera with access control.
    pub fn start_with(reel: Reel, access: Access) -> RtspCamera {
        let reel = Arc::new(Mutex::new(Arc::new(reel)));
        let mut camera = RtspCamera { access, reel, script: Script::default(), port: 0, running: None };
        camera.restart();
        camera
    }

    /// Its address, the same over restarts.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// Its address behind another port of this machine, as a proxy gives it.
    pub fn url_at(&self, port: u16) -> String {
        let scheme = if self.access.tls.is_some() { "rtsps" } else { "rtsp" };
        format!("{scheme}://127.0.0.1:{port}{PATH}")
    }

    /// The port, the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it does with the pictures from now on.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Plays another reel, as a camera does whose settings were changed: every viewer is thrown out.
    pub fn change_reel(&self, reel: Reel) {
        *self.reel.lock().expect("reel lock") = Arc::new(reel);
        if let Some(running) = &self.running {
            running.server.mount_points().expect("mount points").add_factory(PATH, self.factory());
        }
        self.throw_out();
    }

    /// Ends every connection; new ones are taken.
    pub fn throw_out(&self) {
        if let Some(running) = &self.running {
            running.throw_out();
        }
    }

    /// Switches it off: connections end and nothing listens any more.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.throw_out();
            // From within the loop, since one that has not begun to run yet would not hear of it.
            let main_loop = running.main_loop.clone();
            let quit = glib::idle_source_new(None, glib::Priority::DEFAULT, move || {
                main_loop.quit();
                glib::ControlFlow::Break
            });
            let _source: glib::SourceId = quit.attach(Some(&running.main_loop.context()));
            running.thread.join().expect("the camera's thread");
        }
    }

    /// Switches it on (again), on the same port.
    pub fn restart(&mut self) {
        self.stop();
        gst::init().expect("GStreamer");
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&self.port.to_string());
        server.set_auth(access_control(&self.access).as_ref());
        let mounts = server.mount_points().expect("mount points");
        mounts.add_factory(PATH, self.factory());
        let context = glib::MainContext::new();
        // The source lives as long as the context; there is nothing to remove it for.
        let _source: glib::SourceId = server.attach(Some(&context)).expect("attach the RTSP server");
        self.port = u16::try_from(server.bound_port()).expect("bound port");
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let thread = {
            let main_loop = main_loop.clone();
            std::thread::spawn(move || context.with_thread_default(|| main_loop.run()).expect("own the main context"))
        };
        self.running = Some(Running { server, main_loop, thread });
    }

    fn factory(&self) -> RTSPMediaFactory {
        let factory = RTSPMediaFactory::new();
        let coding = self.reel.lock().expect("reel lock").coding;
        factory.set_launch(&play::description(coding));
        factory.set_shared(true);
        let role = gst::Structure::builder(ROLE)
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build();
        factory.add_role_from_structure(&role);
        let (reel, script) = (Arc::clone(&self.reel), self.script.clone());
        factory.connect_media_configure(move |_, media| {
            let reel = Arc::clone(&reel.lock().expect("reel lock"));
            play::begin(&media.element(), reel, &script);
        });
        factory
    }
}

impl Running {
    fn throw_out(&self) {
        let mut everybody = |_: &RTSPServer, _: &server::RTSPClient| RTSPFilterResult::Remove;
        drop(self.server.client_filter(Some(&mut everybody)));
    }
}

impl Drop for RtspCamera {
    fn drop(&mut self) {
        self.stop();
    }
}

fn access_control(access: &Access) -> Option<RTSPAuth> {
    if access.digest.is_none() && access.tls.is_none() {
        return None;
    }
    let auth = RTSPAuth::new();
    let token = RTSPToken::builder().field("media.factory.role", ROLE).build();
    match &access.digest {
        Some((user, password)) => {
            auth.set_supported_methods(server::gst_rtsp::RTSPAuthMethod::Digest);
            auth.add_digest(user, password, &token);
        }
        None => auth.set_default_token(Some(&mut token.clone())),
    }
    if let Some(identity) = &access.tls {
        let pem = format!("{}{}", identity.certificate_pem, identity.key_pem);
        auth.set_tls_certificate(Some(&gio::TlsCertificate::from_pem(&pem).expect("the camera's certificate")));
    }
    Some(auth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SOON: gst::ClockTime = gst::ClockTime::from_seconds(20);

    /// Whether a player gets pictures from the camera.
    fn plays(url: &str) -> bool {
        let player =
            gst::parse::launch(&format!("rtspsrc location={url} protocols=tcp latency=0 ! fakesink num-buffers=3"));
        let player = player.unwrap();
        player.set_state(gst::State::Playing).unwrap();
        let bus = player.bus().unwrap();
        let end = bus.timed_pop_filtered(SOON, &[gst::MessageType::Error, gst::MessageType::Eos]);
        player.set_state(gst::State::Null).unwrap();
        end.is_some_and(|end| end.type_() == gst::MessageType::Eos)
    }

    #[test]
    fn a_camera_plays_stops_and_comes_back_on_its_port() {
        let mut camera = RtspCamera::start(Reel::drawn(Coding::H264, (160, 120), 15, 30));
        let url = camera.url();
        assert!(plays(&url));
        camera.stop();
        assert!(!plays(&url));
        camera.restart();
        assert!(plays(&url));
    }

    #[test]
    fn a_password_is_asked_for() {
        let access = Access { digest: Some(("viewer".to_owned(), "let-me-in".to_owned())), tls: None };
        let camera = RtspCamera::start_with(Reel::drawn(Coding::Mjpeg, (160, 120), 15, 15), access);
        assert!(!plays(&camera.url()));
        assert!(plays(&format!("{} user-id=viewer user-pw=let-me-in", camera.url())));
    }

    #[test]
    fn a_reel_knows_its_pictures() {
        for coding in [Coding::H264, Coding::H265, Coding::Mjpeg] {
            let reel = Reel::drawn(coding, (160, 120), 10, 20);
            assert_eq!(reel.pictures.len(), 20, "{coding:?}");
            assert!(reel.pictures[0].key, "{coding:?}");
            assert_eq!(reel.interval, Duration::from_millis(100));
        }
    }
}
