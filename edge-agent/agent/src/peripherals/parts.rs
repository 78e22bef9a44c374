//! Parts as the station sees them: something to read, something to drive, and whether it answers.

use std::fmt;
use std::time::Duration;

use edge_protocol::time::MonoTime;
use embedded_hal::digital::{Error as _, InputPin, OutputPin, PinState};
use embedded_hal::i2c::I2c;

use super::{Celsius, Contact, Ina226, Lis2dh12, Lm75, Lux, Opt3001, PartError, Pca9685, Power, Share, Tilt, Tmp117};

/// A part that gave no reading is opened anew after this: it may have been plugged in, or have lost its settings.
const RETRY: Duration = Duration::from_secs(30);

/// Something that can be read.
pub trait Sensor<T>: Send {
    /// What it reads now.
    ///
    /// # Errors
    /// When it does not answer, or with what cannot be.
    fn read(&mut self) -> Result<T, PartError>;
}

/// Something that can be driven.
pub trait Drivable<T>: Send {
    /// Drives it.
    ///
    /// # Errors
    /// When it does not answer.
    fn set(&mut self, value: T) -> Result<(), PartError>;
}

/// How the box hangs, and whether it was struck since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posture {
    /// The pull on it.
    pub tilt: Tilt,
    /// Whether it was struck.
    pub struck: bool,
}

impl<B: I2c + Send> Sensor<Celsius> for Lm75<B> {
    fn read(&mut self) -> Result<Celsius, PartError> {
        Self::read(self)
    }
}

impl<B: I2c + Send> Sensor<Celsius> for Tmp117<B> {
    fn read(&mut self) -> Result<Celsius, PartError> {
        Self::read(self)
    }
}

impl<B: I2c + Send> Sensor<Power> for Ina226<B> {
    fn read(&mut self) -> Result<Power, PartError> {
        Self::read(self)
    }
}

impl<B: I2c + Send> Sensor<Posture> for Lis2dh12<B> {
    fn read(&mut self) -> Result<Posture, PartError> {
        Ok(Posture { tilt: Self::read(self)?, struck: self.was_struck()? })
    }
}

impl<B: I2c + Send> Sensor<Lux> for Opt3001<B> {
    fn read(&mut self) -> Result<Lux, PartError> {
        Self::read(self)
    }
}

impl<P: InputPin + Send> Sensor<bool> for Contact<P> {
    fn read(&mut self) -> Result<bool, PartError> {
        Self::read(self)
    }
}

/// A line that turns something on and off: heater, fan, LED.
#[derive(Debug)]
pub struct Switch<P> {
    pin: P,
    active_low: bool,
}

impl<P: OutputPin> Switch<P> {
    /// A switch on `pin`.
    pub fn new(pin: P, active_low: bool) -> Self {
        Self { pin, active_low }
    }
}

impl<P: OutputPin + Send> Drivable<bool> for Switch<P> {
    fn set(&mut self, on: bool) -> Result<(), PartError> {
        let set = self.pin.set_state(PinState::from(on != self.active_low));
        set.map_err(|error| PartError::Bus { part: "switch", reason: format!("{:?}", error.kind()) })
    }
}

/// One channel of a PWM chip.
#[derive(Debug)]
pub struct Dimmer<B> {
    chip: Pca9685<B>,
    channel: u8,
}

impl<B: I2c> Dimmer<B> {
    /// The channel, 0 to 15.
    pub fn new(chip: Pca9685<B>, channel: u8) -> Self {
        Self { chip, channel }
    }
}

impl<B: I2c + Send> Drivable<Share> for Dimmer<B> {
    fn set(&mut self, value: Share) -> Result<(), PartError> {
        self.chip.set(self.channel, value)
    }
}

/// How a part is opened, again and again where it does not answer.
pub type Open<S> = Box<dyn FnMut() -> Result<Box<S>, PartError> + Send>;

/// A part that is fitted, whether it answers or not.
pub struct Fitted<S: ?Sized> {
    name: String,
    open: Open<S>,
    part: Option<Box<S>>,
    trouble: Option<PartError>,
    retry: MonoTime,
}

impl<S: ?Sized> fmt::Debug for Fitted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fitted").field("name", &self.name).field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

impl<S: ?Sized> Fitted<S> {
    /// A part that is opened when it is first needed.
    pub fn new(name: impl Into<String>, open: Open<S>) -> Self {
        Self { name: name.into(), open, part: None, trouble: None, retry: MonoTime::ZERO }
    }

    /// What it is, in the board file's words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it gives nothing, in words; none while it answers.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.as_ref().map(|error| format!("{}: {error}", self.name))
    }

    fn with<T>(&mut self, now: MonoTime, work: impl FnOnce(&mut S) -> Result<T, PartError>) -> Option<T> {
        if self.part.is_none() {
            if self.trouble.is_some() && now < self.retry {
                return None;
            }
            match (self.open)() {
                Ok(part) => self.part = Some(part),
                Err(error) => return self.fail(error, now),
            }
        }
        match work(self.part.as_deref_mut()?) {
            Ok(value) => {
                if self.trouble.take().is_some() {
                    tracing::info!(part = self.name, "answers again");
                }
                Some(value)
            }
            Err(error) => self.fail(error, now),
        }
    }

    fn fail<T>(&mut self, error: PartError, now: MonoTime) -> Option<T> {
        if self.trouble.is_none() {
            tracing::warn!(part = self.name, %error, "gives nothing; the box works on without it");
        }
        (self.part, self.trouble) = (None, Some(error));
        self.retry = now.saturating_add(RETRY);
        None
    }
}

impl<T> Fitted<dyn Sensor<T>> {
    /// What it reads at `now`; none where it does not answer.
    pub fn read(&mut self, now: MonoTime) -> Option<T> {
        self.with(now, Sensor::read)
    }
}

impl<T> Fitted<dyn Drivable<T>> {
    /// Drives it; whether it took the value.
    pub fn set(&mut self, value: T, now: MonoTime) -> bool {
        self.with(now, |part| part.set(value)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scripted(Vec<Result<Celsius, PartError>>);

    impl Sensor<Celsius> for Scripted {
        fn read(&mut self) -> Result<Celsius, PartError> {
            self.0.remove(0)
        }
    }

    fn dead() -> PartError {
        PartError::Bus { part: "LM75B", reason: "NoAcknowledge".to_owned() }
    }

    #[test]
    fn a_part_that_fails_is_told_left_alone_for_a_while_and_opened_anew() {
        let mut lives = vec![vec![Ok(Celsius(21.0))], vec![Ok(Celsius(20.0)), Err(dead())]];
        let open: Open<dyn Sensor<Celsius>> = Box::new(move || match lives.pop() {
            Some(script) => Ok(Box::new(Scripted(script))),
            None => Err(dead()),
        });
        let mut part = Fitted::new("enclosure", open);
        let at = |seconds| MonoTime::from_duration(Duration::from_secs(seconds));
        assert_eq!(part.read(at(0)), Some(Celsius(20.0)));
        assert_eq!(part.read(at(1)), None);
        assert_eq!(part.trouble().unwrap(), "enclosure: LM75B does not answer: NoAcknowledge");
        assert_eq!(part.read(at(30)), None, "left alone for 30 s");
        assert_eq!(part.read(at(31)), Some(Celsius(21.0)));
        assert_eq!(part.trouble(), None);
    }
}
