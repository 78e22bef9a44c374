//! `edge-agent onvif`: which cameras are on the network, and where their streams are.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::capture::{CredentialError, Credentials};
use crate::onvif::{DISCOVERY, Device, Login, OnvifError, discover};
use crate::supervise::Clock;

/// Arguments of `onvif`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  edge-agent onvif discover                cameras that answer here
  edge-agent onvif streams 192.0.2.10 --credentials street.credentials

Ends with 0, and with 1 where network or camera do not answer as they should. That no camera is found \
is no failure.")]
pub struct OnvifArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks the network for cameras
    #[command(after_help = "Examples:
  edge-agent onvif discover
  edge-agent onvif discover --wait 10 --json")]
    Discover {
        /// How long answers are waited for
        #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
        wait: u64,
        /// One line of JSON for each camera
        #[arg(long)]
        json: bool,
    },
    /// A camera's streams and how far its clock is off
    #[command(after_help = "Examples:
  edge-agent onvif streams 192.0.2.10 --credentials street.credentials
  edge-agent onvif streams http://192.0.2.10:8080/onvif/device_service --json

The credentials' file holds one line user:password and has mode 0600.")]
    Streams {
        /// Its address: a host, or the address that `discover` shows
        camera: String,
        /// A 0600 file that holds user:password
        #[arg(long, value_name = "FILE")]
        credentials: Option<PathBuf>,
        /// One line of JSON for the clock and each stream
        #[arg(long)]
        json: bool,
    },
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum OnvifCommandError {
    /// The camera or network.
    #[error(transparent)]
    Onvif(#[from] OnvifError),
    /// The credentials' file.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The results cannot be written.
    #[error("cannot write the results")]
    Output(#[from] io::Error),
}

/// Runs the command; results go to standard output.
///
/// # Errors
/// See [`OnvifCommandError`].
pub fn run(arguments: &OnvifArgs) -> Result<(), OnvifCommandError> {
    let out = &mut io::stdout().lock();
    match &arguments.command {
        Command::Discover { wait, json } => list(Duration::from_secs(*wait), *json, out),
        Command::Streams { camera, credentials, json } => {
            let credentials = credentials.as_deref().map(Credentials::from_file).transpose()?;
            let login = credentials.map(|held| Login::new(held.user(), held.password()));
            streams(&Device::new(camera, login)?, *json, out)
        }
    }
}

fn list(wait: Duration, as_json: bool, out: &mut impl Write) -> Result<(), OnvifCommandError> {
    let found = discover(DISCOVERY, wait, &Clock::system())?;
    for camera in &found {
        if as_json {
            let (id, name, hardware, addresses) = (&camera.id, &camera.name, &camera.hardware, &camera.addresses);
            writeln!(out, "{}", json!({"id": id, "name": name, "hardware": hardware, "addresses": addresses}))?;
        } else {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let (name, hardware, addresses) = (word(&camera.name), word(&camera.hardware), camera.addresses.join(" "));
            writeln!(out, "{addresses}  {name}  {hardware}")?;
        }
    }
    if found.is_empty() && !as_json {
        writeln!(out, "no camera answered; is it on this network, and is ONVIF turned on in its settings?")?;
    }
    Ok(())
}

fn streams(device: &Device, as_json: bool, out: &mut impl Write) -> Result<(), OnvifCommandError> {
    let clock = device.clock(&|| Duration::MAX)?;
    let here = Clock::system().wall().time;
    #[allow(clippy::cast_precision_loss, reason = "an offset in seconds")]
    let ahead_s = (clock.as_millis() - here.as_millis()) as f64 / 1000.0;
    if as_json {
        writeln!(out, "{}", json!({"clock_ahead_s": ahead_s}))?;
    } else {
        writeln!(out, "the camera's clock is {ahead_s:+.1} s from this unit's")?;
    }
    for stream in device.streams(clock, &|| Duration::MAX)? {
        if as_json {
            let (name, codec, size, url) = (&stream.name, &stream.codec, &stream.size, &stream.url);
            writeln!(out, "{}", json!({"name": name, "codec": codec, "size": size, "url": url}))?;
        } else {
            let size = stream.size.map_or_else(|| "-".to_owned(), |(width, height)| format!("{width}x{height}"));
            writeln!(out, "{}  {}  {size}  {}", stream.url, stream.codec, stream.name)?;
        }
    }
    Ok(())
}
