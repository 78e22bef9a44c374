//! Power monitor INA226: bus voltage and the current through a shunt.

use embedded_hal::i2c::I2c;

use super::{Amperes, PartError, Volts, Watts, read_u16};

const PART: &str = "INA226";
const SHUNT_VOLTAGE: u8 = 0x01;
const BUS_VOLTAGE: u8 = 0x02;
const DIE_ID: u8 = 0xff;
/// Bits 15:4 of the identity register; the lower four are the revision.
const DIE: u16 = 0x226;
const SHUNT_VOLTS_PER_BIT: f32 = 2.5e-6;
const BUS_VOLTS_PER_BIT: f32 = 1.25e-3;
const MOST_VOLTS: f32 = 36.0;

/// What the box is fed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// At the load.
    pub voltage: Volts,
    /// Through the shunt; negative where it flows back.
    pub current: Amperes,
}

impl Power {
    /// Their product.
    pub fn watts(&self) -> Watts {
        Watts(self.voltage.0 * self.current.0)
    }
}

/// Texas Instruments INA226 with a shunt.
#[derive(Debug)]
pub struct Ina226<B> {
    bus: B,
    address: u8,
    shunt_ohms: f32,
}

impl<B: I2c> Ina226<B> {
    /// The monitor at a 7-bit address (0x40..=0x4f), once its identity is seen.
    ///
    /// # Errors
    /// When the bus fails or another part answers.
    pub fn open(mut bus: B, address: u8, shunt_ohms: f32) -> Result<Self, PartError> {
        let found = read_u16(&mut bus, address, DIE_ID, PART)?;
        if found >> 4 == DIE {
            Ok(Self { bus, address, shunt_ohms })
        } else {
            Err(PartError::Identity { part: PART, found })
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// When the bus fails, or reads more volts than the part stands: a bus stuck high.
    pub fn read(&mut self) -> Result<Power, PartError> {
        let shunt = read_u16(&mut self.bus, self.address, SHUNT_VOLTAGE, PART)?;
        let voltage = read_u16(&mut self.bus, self.address, BUS_VOLTAGE, PART)?;
        if bus_volts(voltage).0 > MOST_VOLTS {
            return Err(PartError::Implausible { part: PART, reading: bus_volts(voltage).to_string() });
        }
        // All zero although the box runs: the bus, and not the supply.
        if voltage == 0 && shunt == 0 {
            return Err(PartError::Implausible { part: PART, reading: "0 V and 0 A".to_owned() });
        }
        Ok(Power { voltage: bus_volts(voltage), current: shunt_amperes(shunt, self.shunt_ohms) })
    }
}

/// Section 7.6.3 of the INA226 data sheet.
fn bus_volts(raw: u16) -> Volts {
    Volts(f32::from(raw & 0x7fff) * BUS_VOLTS_PER_BIT)
}

/// Section 7.6.2 of the INA226 data sheet: two's complement.
fn shunt_amperes(raw: u16, shunt_ohms: f32) -> Amperes {
    Amperes(f32::from(raw.cast_signed()) * SHUNT_VOLTS_PER_BIT / shunt_ohms)
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;

    #[test]
    fn the_data_sheets_example_is_read() {
        // 11.98 V at the bus and 20 mV over 2 mΩ: 10 A.
        let mut bus = Mock::new(&[
            Transaction::write_read(0x40, vec![DIE_ID], vec![0x22, 0x60]),
            Transaction::write_read(0x40, vec![SHUNT_VOLTAGE], vec![0x1f, 0x40]),
            Transaction::write_read(0x40, vec![BUS_VOLTAGE], vec![0x25, 0x70]),
        ]);
        let power = Ina226::open(bus.clone(), 0x40, 0.002).unwrap().read().unwrap();
        bus.done();
        assert!((power.voltage.0 - 11.98).abs() < 1e-3, "{}", power.voltage);
        assert!((power.current.0 - 10.0).abs() < 1e-3, "{}", power.current);
        assert!((power.watts().0 - 119.8).abs() < 0.1);
    }

    #[test]
    fn a_stuck_bus_is_no_voltage() {
        for stuck in [[0xff, 0xff], [0x00, 0x00]] {
            let mut bus = Mock::new(&[
                Transaction::write_read(0x40, vec![DIE_ID], vec![0x22, 0x60]),
                Transaction::write_read(0x40, vec![SHUNT_VOLTAGE], stuck.to_vec()),
                Transaction::write_read(0x40, vec![BUS_VOLTAGE], stuck.to_vec()),
            ]);
            let read = Ina226::open(bus.clone(), 0x40, 0.002).unwrap().read();
            bus.done();
            assert!(matches!(read, Err(PartError::Implausible { .. })), "{read:?}");
        }
    }

    #[test]
    fn current_that_flows_back_is_negative() {
        assert!((shunt_amperes(0xe0c0, 0.002).0 + 10.0).abs() < 1e-3);
    }

    #[test]
    fn a_bus_error_at_any_register_comes_back_and_the_next_reading_is_good() {
        let identity = Transaction::write_read(0x40, vec![DIE_ID], vec![0x22, 0x60]);
        let shunt = Transaction::write_read(0x40, vec![SHUNT_VOLTAGE], vec![0x1f, 0x40]);
        let voltage = Transaction::write_read(0x40, vec![BUS_VOLTAGE], vec![0x25, 0x70]);
        let failing = |transaction: &Transaction| transaction.clone().with_error(ErrorKind::ArbitrationLoss);
        let error = PartError::Bus { part: PART, reason: "ArbitrationLoss".to_owned() };
        let mut bus = Mock::new(&[
            failing(&identity),
            identity.clone(),
            failing(&shunt),
            shunt.clone(),
            failing(&voltage),
            shunt.clone(),
            voltage.clone(),
        ]);
        assert_eq!(Ina226::open(bus.clone(), 0x40, 0.002).unwrap_err(), error);
        let mut part = Ina226::open(bus.clone(), 0x40, 0.002).unwrap();
        assert_eq!([part.read(), part.read()], [Err(error.clone()), Err(error)]);
        let power = part.read().unwrap();
        bus.done();
        assert!((power.voltage.0 - 11.98).abs() < 1e-3, "{}", power.voltage);
        assert!((power.current.0 - 10.0).abs() < 1e-3, "{}", power.current);
    }
}
