//! The box itself, over embedded-hal: what is warm, what is fed, what hangs straight, what was touched.
//!
//! Belongs here: drivers of the chips on our boards, each a small type over the embedded-hal traits with a pure
//! conversion from register to unit; rules that need no chip (hysteresis, debouncing, blinking) and [`Station`], which
//! puts them in order. Does not belong here: the board file that says what is fitted (`config`), and what the agent
//! makes of it (health, alerts, held video), which `app` decides.
//!
//! An absent or failing part is a fact to report, never a reason to stop: every driver returns [`PartError`], and
//! [`Fitted`] keeps the reason in words and tries again.

mod accelerometer;
pub mod fit;
mod illuminator;
mod inputs;
mod led;
mod light;
mod parts;
mod power;
pub mod reset;
pub mod simulated;
mod station;
mod temperature;
mod two_point;
mod units;
pub mod zone;

pub use accelerometer::{Lis2dh12, Tilt};
pub use illuminator::Pca9685;
pub use inputs::{Contact, Debounce, Edge};
pub use led::Indication;
pub use light::Opt3001;
pub use parts::{Dimmer, Drivable, Fitted, Open, Posture, Sensor, Switch};
pub use power::{Ina226, Power};
pub use station::{
    Climate, Effort, HELD, Illuminator, Input, Level, Lighting, Noticed, Parts, Readings, Station, Supply,
};
pub use temperature::{Lm75, Tmp117};
pub use two_point::{Drive, TwoPoint};
pub use units::{Amperes, Celsius, Degrees, Lux, Share, Volts, Watts};

/// Why a part gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The bus or pin did not answer.
    #[error("{part} does not answer: {reason}")]
    Bus {
        /// The part, as the data sheet names it.
        part: &'static str,
        /// What the bus said.
        reason: String,
    },
    /// Something else sits at the part's address.
    #[error("{part} expected, but the identity register reads {found:#06x}")]
    Identity {
        /// The part, as the data sheet names it.
        part: &'static str,
        /// What the register holds.
        found: u16,
    },
    /// The part answered with something that cannot be.
    #[error("{part} reads {reading}, which cannot be")]
    Implausible {
        /// The part, as the data sheet names it.
        part: &'static str,
        /// The reading in words.
        reading: String,
    },
}

impl PartError {
    fn bus(part: &'static str) -> impl Fn(embedded_hal::i2c::ErrorKind) -> Self {
        move |kind| Self::Bus { part, reason: format!("{kind:?}") }
    }
}

/// Reads a 16-bit register, most significant byte first.
fn read_u16<B: embedded_hal::i2c::I2c>(
    bus: &mut B,
    address: u8,
    register: u8,
    part: &'static str,
) -> Result<u16, PartError> {
    let mut bytes = [0; 2];
    bus.write_read(address, &[register], &mut bytes).map_err(|error| PartError::bus(part)(kind(&error)))?;
    Ok(u16::from_be_bytes(bytes))
}

fn kind(error: &impl embedded_hal::i2c::Error) -> embedded_hal::i2c::ErrorKind {
    error.kind()
}
