//! Temperature sensors: LM75B (11 bits, 0.125 °C) and TMP117 (16 bits, 0.0078125 °C).

use embedded_hal::i2c::I2c;

use super::{Celsius, PartError, read_u16};

/// NXP LM75B, the sensor on most carrier boards. It has no identity register.
#[derive(Debug)]
pub struct Lm75<B> {
    bus: B,
    address: u8,
}

const LM75: &str = "LM75B";
const LM75_TEMPERATURE: u8 = 0x00;
/// The lowest bits read as zero with every member of the family, up to those of 12 bits; a bus stuck high sets them.
const LM75_UNUSED: u16 = 0x000f;

impl<B: I2c> Lm75<B> {
    /// The sensor at a 7-bit address (0x48..=0x4f).
    pub fn new(bus: B, address: u8) -> Self {
        Self { bus, address }
    }

    /// Measures.
    ///
    /// # Errors
    /// When the bus fails or the value lies outside the part's range of -55..=125 °C.
    pub fn read(&mut self) -> Result<Celsius, PartError> {
        let raw = read_u16(&mut self.bus, self.address, LM75_TEMPERATURE, LM75)?;
        if raw & LM75_UNUSED != 0 {
            return Err(PartError::Implausible { part: LM75, reading: format!("{raw:#06x}") });
        }
        plausible(LM75, lm75_celsius(raw), -55.0..=125.0)
    }
}

/// Table 10 of the LM75B data sheet: the upper 11 bits are two's complement eighths of a degree.
fn lm75_celsius(raw: u16) -> Celsius {
    Celsius(f32::from(raw.cast_signed() >> 5) * 0.125)
}

/// Texas Instruments TMP117.
#[derive(Debug)]
pub struct Tmp117<B> {
    bus: B,
    address: u8,
}

const TMP117: &str = "TMP117";
const TMP117_TEMPERATURE: u8 = 0x00;
const TMP117_DEVICE_ID: u8 = 0x0f;
/// Bits 11:0 of the identity register; the upper four are the revision.
const TMP117_ID: u16 = 0x117;
/// What the temperature register holds before the first conversion is done (-256 °C).
const TMP117_NOT_READY: u16 = 0x8000;

impl<B: I2c> Tmp117<B> {
    /// The sensor at a 7-bit address (0x48..=0x4b), once its identity is seen.
    ///
    /// # Errors
    /// When the bus fails or another part answers.
    pub fn open(mut bus: B, address: u8) -> Result<Self, PartError> {
        identify(&mut bus, address)?;
        Ok(Self { bus, address })
    }

    /// Measures.
    ///
    /// # Errors
    /// When the bus fails, no conversion is done yet, or the value lies outside -55..=150 °C.
    pub fn read(&mut self) -> Result<Celsius, PartError> {
        let raw = read_u16(&mut self.bus, self.address, TMP117_TEMPERATURE, TMP117)?;
        if raw == TMP117_NOT_READY {
            return Err(PartError::Implausible { part: TMP117, reading: "no conversion yet".to_owned() });
        }
        // What a dead bus reads is a temperature too: 0 °C and just below. Only the identity tells them apart.
        if matches!(raw, 0x0000 | 0xffff) {
            identify(&mut self.bus, self.address)?;
        }
        plausible(TMP117, tmp117_celsius(raw), -55.0..=150.0)
    }
}

fn identify(bus: &mut impl I2c, address: u8) -> Result<(), PartError> {
    let found = read_u16(bus, address, TMP117_DEVICE_ID, TMP117)?;
    if found & 0x0fff == TMP117_ID { Ok(()) } else { Err(PartError::Identity { part: TMP117, found }) }
}

/// Section 8.6.3 of the TMP117 data sheet: two's complement, 7.8125 thousandths of a degree a bit.
fn tmp117_celsius(raw: u16) -> Celsius {
    Celsius(f32::from(raw.cast_signed()) * 0.007_812_5)
}

pub(super) fn plausible(
    part: &'static str,
    value: Celsius,
    range: std::ops::RangeInclusive<f32>,
) -> Result<Celsius, PartError> {
    if range.contains(&value.0) { Ok(value) } else { Err(PartError::Implausible { part, reading: value.to_string() }) }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;

    fn lm75_reads(bytes: [u8; 2]) -> Result<Celsius, PartError> {
        let mut bus = Mock::new(&[Transaction::write_read(0x48, vec![LM75_TEMPERATURE], bytes.to_vec())]);
        let value = Lm75::new(bus.clone(), 0x48).read();
        bus.done();
        value
    }

    #[test]
    fn the_lm75s_data_sheet_values_are_read() {
        for (bytes, celsius) in [
            ([0x7f, 0x00], 127.0 - 0.0),
            ([0x7e, 0xe0], 126.875),
            ([0x19, 0x00], 25.0),
            ([0x00, 0x20], 0.125),
            ([0x00, 0x00], 0.0),
            ([0xff, 0xe0], -0.125),
            ([0xe7, 0x00], -25.0),
            ([0xc9, 0x00], -55.0),
        ] {
            assert_eq!(lm75_celsius(u16::from_be_bytes(bytes)), Celsius(celsius));
        }
        assert_eq!(lm75_reads([0xe7, 0x00]), Ok(Celsius(-25.0)));
    }

    #[test]
    fn a_stuck_bus_reads_as_implausible_or_not_at_all() {
        assert!(matches!(lm75_reads([0x80, 0x00]), Err(PartError::Implausible { .. })));
        let transaction =
            Transaction::write_read(0x48, vec![LM75_TEMPERATURE], vec![0, 0]).with_error(ErrorKind::ArbitrationLoss);
        let mut bus = Mock::new(&[transaction]);
        let error = Lm75::new(bus.clone(), 0x48).read().unwrap_err();
        assert_eq!(error.to_string(), "LM75B does not answer: ArbitrationLoss");
        bus.done();
    }

    #[test]
    fn a_bus_stuck_high_or_low_is_no_temperature() {
        assert!(matches!(lm75_reads([0xff, 0xff]), Err(PartError::Implausible { .. })));
        for stuck in [[0x00, 0x00], [0xff, 0xff]] {
            let mut bus = Mock::new(&[
                Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], vec![0x01, 0x17]),
                Transaction::write_read(0x48, vec![TMP117_TEMPERATURE], stuck.to_vec()),
                Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], stuck.to_vec()),
            ]);
            let mut sensor = Tmp117::open(bus.clone(), 0x48).unwrap();
            assert!(matches!(sensor.read(), Err(PartError::Identity { .. })));
            bus.done();
        }
    }

    #[test]
    fn zero_degrees_of_a_part_that_answers_is_zero_degrees() {
        let mut bus = Mock::new(&[
            Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], vec![0x01, 0x17]),
            Transaction::write_read(0x48, vec![TMP117_TEMPERATURE], vec![0, 0]),
            Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], vec![0x01, 0x17]),
        ]);
        assert_eq!(Tmp117::open(bus.clone(), 0x48).unwrap().read(), Ok(Celsius(0.0)));
        bus.done();
    }

    #[test]
    fn the_tmp117s_data_sheet_values_are_read() {
        for (raw, celsius) in
            [(0x0c80, 25.0), (0x0001, 0.007_812_5), (0x0000, 0.0), (0xffff, -0.007_812_5), (0xf380, -25.0)]
        {
            assert_eq!(tmp117_celsius(raw), Celsius(celsius));
        }
    }

    #[test]
    fn another_part_at_the_tmp117s_address_is_refused() {
        let mut bus = Mock::new(&[Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], vec![0x75, 0x00])]);
        let error = Tmp117::open(bus.clone(), 0x48).unwrap_err();
        assert_eq!(error, PartError::Identity { part: TMP117, found: 0x7500 });
        bus.done();
    }

    #[test]
    fn a_bus_error_of_the_tmp117_comes_back_and_the_next_reading_is_good() {
        let identity = Transaction::write_read(0x48, vec![TMP117_DEVICE_ID], vec![0x01, 0x17]);
        let cold = Transaction::write_read(0x48, vec![TMP117_TEMPERATURE], vec![0xf3, 0x80]);
        let zero = Transaction::write_read(0x48, vec![TMP117_TEMPERATURE], vec![0x00, 0x00]);
        let failing = |transaction: &Transaction| transaction.clone().with_error(ErrorKind::ArbitrationLoss);
        let error = PartError::Bus { part: TMP117, reason: "ArbitrationLoss".to_owned() };
        let mut bus = Mock::new(&[
            failing(&identity),
            identity.clone(),
            failing(&cold),
            cold.clone(),
            // A zero is believed only once the part says who it is.
            zero,
            failing(&identity),
            cold,
        ]);
        assert_eq!(Tmp117::open(bus.clone(), 0x48).unwrap_err(), error);
        let mut sensor = Tmp117::open(bus.clone(), 0x48).unwrap();
        let read = [sensor.read(), sensor.read(), sensor.read(), sensor.read()];
        assert_eq!(read, [Err(error.clone()), Ok(Celsius(-25.0)), Err(error), Ok(Celsius(-25.0))]);
        bus.done();
    }
}
