//! Parts on real buses and lines: the only place that opens I2C and GPIO devices.
//!
//! Lines go through `gpio_cdev`, not the crate `gpiocdev`: linux-embedded-hal builds its [`CdevPin`] on it, which brings
//! embedded-hal's pin traits with it, where `gpiocdev` would be one crate more, and a second for those traits.

use std::path::{Path, PathBuf};

use linux_embedded_hal::gpio_cdev::{Chip, LineRequestFlags};
use linux_embedded_hal::{CdevPin, I2cdev};

use super::parts::{Dimmer, Drivable, Fitted, Posture, Sensor, Switch};
use super::zone::Zones;
use super::{Celsius, Contact, Ina226, Lis2dh12, Lm75, Lux, Opt3001, PartError, Pca9685, Power, Share, Tmp117};

/// A bus and a 7-bit address.
#[derive(Debug, Clone)]
pub struct OnBus {
    /// E.g. `/dev/i2c-1`.
    pub bus: PathBuf,
    /// 7 bits.
    pub address: u8,
}

/// A line of a chip.
#[derive(Debug, Clone)]
pub struct OnLine {
    /// E.g. `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// Its number.
    pub line: u32,
    /// Whether low means closed or running.
    pub active_low: bool,
}

fn bus(path: &Path, part: &'static str) -> Result<I2cdev, PartError> {
    let failed = |error| PartError::Bus { part, reason: format!("cannot open {}: {error}", path.display()) };
    I2cdev::new(path).map_err(failed)
}

fn pin(place: &OnLine, part: &'static str, flags: LineRequestFlags) -> Result<CdevPin, PartError> {
    let OnLine { chip, line, active_low } = place;
    let failed =
        |error| PartError::Bus { part, reason: format!("cannot use line {line} of {}: {error}", chip.display()) };
    // An output begins at rest; without this an active-low heater would run from the first moment on.
    let rest = u8::from(*active_low);
    let handle = Chip::new(chip).and_then(|mut chip| chip.get_line(*line)?.request(flags, rest, "edge-agent"));
    handle.and_then(CdevPin::new).map_err(failed)
}

/// An LM75B.
pub fn lm75(name: &str, at: OnBus) -> Fitted<dyn Sensor<Celsius>> {
    Fitted::new(name, Box::new(move || Ok(Box::new(Lm75::new(bus(&at.bus, "LM75B")?, at.address)))))
}

/// A TMP117.
pub fn tmp117(name: &str, at: OnBus) -> Fitted<dyn Sensor<Celsius>> {
    Fitted::new(name, Box::new(move || Ok(Box::new(Tmp117::open(bus(&at.bus, "TMP117")?, at.address)?))))
}

/// The hottest of the kernel's thermal zones in a folder: of those of a type, or of all.
pub fn zones(name: &str, folder: &Path, of: Option<&str>) -> Fitted<dyn Sensor<Celsius>> {
    let zones = Zones::new(folder, of);
    Fitted::new(name, Box::new(move || Ok(Box::new(zones.clone()))))
}

/// An INA226 with its shunt.
pub fn ina226(at: OnBus, shunt_ohms: f32) -> Fitted<dyn Sensor<Power>> {
    Fitted::new("power", Box::new(move || Ok(Box::new(Ina226::open(bus(&at.bus, "INA226")?, at.address, shunt_ohms)?))))
}

/// A LIS2DH12 that notes strokes.
pub fn lis2dh12(at: OnBus, shock_mg: u16) -> Fitted<dyn Sensor<Posture>> {
    let open = move || {
        let mut part = Lis2dh12::open(bus(&at.bus, "LIS2DH12")?, at.address)?;
        part.watch_for_strokes(shock_mg)?;
        Ok(Box::new(part) as Box<dyn Sensor<Posture>>)
    };
    Fitted::new("accelerometer", Box::new(open))
}

/// An OPT3001.
pub fn opt3001(at: OnBus) -> Fitted<dyn Sensor<Lux>> {
    Fitted::new("light", Box::new(move || Ok(Box::new(Opt3001::open(bus(&at.bus, "OPT3001")?, at.address)?))))
}

/// A channel of a PCA9685.
pub fn pca9685(at: OnBus, channel: u8) -> Fitted<dyn Drivable<Share>> {
    let open = move || {
        let chip = Pca9685::open(bus(&at.bus, "PCA9685")?, at.address)?;
        Ok(Box::new(Dimmer::new(chip, channel)) as Box<dyn Drivable<Share>>)
    };
    Fitted::new("illuminator", Box::new(open))
}

/// A contact.
pub fn contact(name: &str, at: OnLine) -> Fitted<dyn Sensor<bool>> {
    let open = move || {
        let pin = pin(&at, "contact", LineRequestFlags::INPUT)?;
        Ok(Box::new(Contact::new(pin, at.active_low)) as Box<dyn Sensor<bool>>)
    };
    Fitted::new(name, Box::new(open))
}

/// A line that turns something on and off.
pub fn switch(name: &str, at: OnLine) -> Fitted<dyn Drivable<bool>> {
    let open = move || {
        let pin = pin(&at, "switch", LineRequestFlags::OUTPUT)?;
        Ok(Box::new(Switch::new(pin, at.active_low)) as Box<dyn Drivable<bool>>)
    };
    Fitted::new(name, Box::new(open))
}

#[cfg(test)]
mod tests {
    use edge_protocol::time::MonoTime;

    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_named_and_nothing_stops() {
        let at = OnBus { bus: "/dev/i2c-none".into(), address: 0x48 };
        let mut part = tmp117("enclosure", at);
        assert_eq!(part.read(MonoTime::ZERO), None);
        assert!(part.trouble().unwrap().starts_with("enclosure: TMP117 does not answer: cannot open /dev/i2c-none"));
        let mut fan = switch("fan", OnLine { chip: "/dev/gpiochip-none".into(), line: 3, active_low: true });
        assert!(!fan.set(true, MonoTime::ZERO));
        assert!(fan.trouble().unwrap().contains("cannot use line 3 of /dev/gpiochip-none"));
    }
}
