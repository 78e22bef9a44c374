//! Light sensor OPT3001: how bright it is around the box.

use embedded_hal::i2c::I2c;

use super::{Lux, PartError, kind, read_u16};

const PART: &str = "OPT3001";
const RESULT: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
const MANUFACTURER: u8 = 0x7e;
/// "TI" in ASCII.
const TEXAS_INSTRUMENTS: u16 = 0x5449;
/// Automatic range, 800 ms, continuous conversions, latched comparison (the reset value but for the mode).
const CONTINUOUS: u16 = 0xce10;

/// Texas Instruments OPT3001.
#[derive(Debug)]
pub struct Opt3001<B> {
    bus: B,
    address: u8,
}

impl<B: I2c> Opt3001<B> {
    /// The sensor at a 7-bit address (0x44..=0x47), once its maker is seen, set to measure all the time.
    ///
    /// # Errors
    /// When the bus fails or another part answers.
    pub fn open(mut bus: B, address: u8) -> Result<Self, PartError> {
        let found = read_u16(&mut bus, address, MANUFACTURER, PART)?;
        if found != TEXAS_INSTRUMENTS {
            return Err(PartError::Identity { part: PART, found });
        }
        let [high, low] = CONTINUOUS.to_be_bytes();
        bus.write(address, &[CONFIGURATION, high, low]).map_err(|error| PartError::bus(PART)(kind(&error)))?;
        Ok(Self { bus, address })
    }

    /// Measures.
    ///
    /// # Errors
    /// When the bus fails or the exponent is beyond the part's ranges.
    pub fn read(&mut self) -> Result<Lux, PartError> {
        let raw = read_u16(&mut self.bus, self.address, RESULT, PART)?;
        lux(raw).ok_or_else(|| PartError::Implausible { part: PART, reading: format!("{raw:#06x}") })
    }
}

/// Table 9 of the OPT3001 data sheet: `0.01 * 2^exponent * mantissa` lux, exponents 0 to 11.
fn lux(raw: u16) -> Option<Lux> {
    let (exponent, mantissa) = (raw >> 12, raw & 0x0fff);
    (exponent <= 11).then(|| Lux(0.01 * f32::from(1_u16 << exponent) * f32::from(mantissa)))
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;

    #[test]
    fn the_data_sheets_examples_are_read() {
        for (raw, expected) in
            [(0x0001, 0.01), (0x0fff, 40.95), (0x3456, 88.80), (0x789a, 2818.56), (0x8800, 5242.88), (0xbfff, 83_865.6)]
        {
            let read = lux(raw).unwrap().0;
            assert!((read - expected).abs() < expected * 1e-4, "{raw:#06x}: {read}");
        }
        assert_eq!(lux(0xffff), None, "a bus that is stuck high is no daylight");
    }

    #[test]
    fn the_part_is_identified_and_set_to_measure() {
        let mut bus = Mock::new(&[
            Transaction::write_read(0x44, vec![MANUFACTURER], vec![0x54, 0x49]),
            Transaction::write(0x44, vec![CONFIGURATION, 0xce, 0x10]),
            Transaction::write_read(0x44, vec![RESULT], vec![0x34, 0x56]),
        ]);
        let read = Opt3001::open(bus.clone(), 0x44).unwrap().read().unwrap();
        bus.done();
        assert!((read.0 - 88.8).abs() < 0.01);
        let mut dead = Mock::new(&[Transaction::write_read(0x44, vec![MANUFACTURER], vec![0xff, 0xff])]);
        assert!(matches!(Opt3001::open(dead.clone(), 0x44), Err(PartError::Identity { found: 0xffff, .. })));
        dead.done();
    }

    #[test]
    fn a_bus_error_at_any_register_comes_back_and_the_next_reading_is_good() {
        let maker = Transaction::write_read(0x44, vec![MANUFACTURER], vec![0x54, 0x49]);
        let mode = Transaction::write(0x44, vec![CONFIGURATION, 0xce, 0x10]);
        let result = Transaction::write_read(0x44, vec![RESULT], vec![0x34, 0x56]);
        let failing = |transaction: &Transaction| transaction.clone().with_error(ErrorKind::Bus);
        let error = PartError::Bus { part: PART, reason: "Bus".to_owned() };
        let mut bus = Mock::new(&[
            failing(&maker),
            maker.clone(),
            failing(&mode),
            maker.clone(),
            mode.clone(),
            failing(&result),
            result.clone(),
        ]);
        assert_eq!(Opt3001::open(bus.clone(), 0x44).unwrap_err(), error, "at the identity");
        assert_eq!(Opt3001::open(bus.clone(), 0x44).unwrap_err(), error, "at the mode");
        let mut part = Opt3001::open(bus.clone(), 0x44).unwrap();
        assert_eq!(part.read(), Err(error));
        assert!((part.read().unwrap().0 - 88.8).abs() < 0.01);
        bus.done();
    }
}
