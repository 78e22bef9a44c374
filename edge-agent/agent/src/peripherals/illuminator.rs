//! IR illuminator behind a PCA9685, a 16-channel 12-bit PWM chip on I2C.

use embedded_hal::i2c::I2c;

use super::{PartError, Share, kind};

const PART: &str = "PCA9685";
const MODE1: u8 = 0x00;
const MODE1_SLEEP: u8 = 0x10;
const MODE1_AUTO_INCREMENT: u8 = 0x20;
const PRE_SCALE: u8 = 0xfe;
const LED0_ON_L: u8 = 0x06;
/// Bit 4 of the high byte: the output is on, or off, all the time.
const FULL: u8 = 0x10;
/// 25 MHz / (4096 * (prescale + 1)): 1 kHz lies above what a rolling shutter turns into bands.
const PRESCALE_1_KHZ: u8 = 5;

/// NXP PCA9685.
#[derive(Debug)]
pub struct Pca9685<B> {
    bus: B,
    address: u8,
}

impl<B: I2c> Pca9685<B> {
    /// The chip at a 7-bit address (0x40..=0x7f), set to 1 kHz. The prescaler can only be written while asleep.
    ///
    /// # Errors
    /// When the bus fails.
    pub fn open(bus: B, address: u8) -> Result<Self, PartError> {
        let mut chip = Self { bus, address };
        chip.write(&[MODE1, MODE1_SLEEP | MODE1_AUTO_INCREMENT])?;
        chip.write(&[PRE_SCALE, PRESCALE_1_KHZ])?;
        chip.write(&[MODE1, MODE1_AUTO_INCREMENT])?;
        Ok(chip)
    }

    /// Drives one of 16 channels. Channels beyond the last are refused by doing nothing.
    ///
    /// # Errors
    /// When the bus fails.
    pub fn set(&mut self, channel: u8, brightness: Share) -> Result<(), PartError> {
        if channel > 15 {
            return Ok(());
        }
        let [on_low, on_high, off_low, off_high] = registers(brightness);
        self.write(&[LED0_ON_L + 4 * channel, on_low, on_high, off_low, off_high])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.bus.write(self.address, bytes).map_err(|error| PartError::bus(PART)(kind(&error)))
    }
}

/// Section 7.3.3 of the PCA9685 data sheet: the counts at which the output turns on and off.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 4096 lies in 0..=4096")]
fn registers(brightness: Share) -> [u8; 4] {
    let off_at = (brightness.get() * 4096.0).round() as u16;
    match off_at {
        0 => [0, 0, 0, FULL],
        4096.. => [0, FULL, 0, 0],
        _ => {
            let [low, high] = off_at.to_le_bytes();
            [0, 0, low, high]
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;

    #[test]
    fn both_ends_use_the_full_bits_and_the_middle_is_half_of_4096() {
        assert_eq!(registers(Share::OFF), [0, 0, 0, FULL]);
        assert_eq!(registers(Share::FULL), [0, FULL, 0, 0]);
        assert_eq!(registers(Share::of(0.5)), [0, 0, 0x00, 0x08]);
        assert_eq!(registers(Share::of(f32::NAN)), [0, 0, 0, FULL]);
    }

    #[test]
    fn the_prescaler_is_written_while_the_chip_sleeps() {
        let mut bus = Mock::new(&[
            Transaction::write(0x40, vec![MODE1, 0x30]),
            Transaction::write(0x40, vec![PRE_SCALE, PRESCALE_1_KHZ]),
            Transaction::write(0x40, vec![MODE1, 0x20]),
            Transaction::write(0x40, vec![LED0_ON_L + 12, 0, 0, 0x00, 0x04]),
        ]);
        Pca9685::open(bus.clone(), 0x40).unwrap().set(3, Share::of(0.25)).unwrap();
        bus.done();
    }

    #[test]
    fn a_bus_error_at_any_write_comes_back_and_the_next_call_works() {
        let opening = [
            Transaction::write(0x40, vec![MODE1, 0x30]),
            Transaction::write(0x40, vec![PRE_SCALE, PRESCALE_1_KHZ]),
            Transaction::write(0x40, vec![MODE1, 0x20]),
        ];
        let quarter = Transaction::write(0x40, vec![LED0_ON_L + 12, 0, 0, 0x00, 0x04]);
        let failing = |transaction: &Transaction| transaction.clone().with_error(ErrorKind::ArbitrationLoss);
        let error = PartError::Bus { part: PART, reason: "ArbitrationLoss".to_owned() };
        for (place, write) in opening.iter().enumerate() {
            let mut expected = opening[..place].to_vec();
            expected.push(failing(write));
            expected.extend_from_slice(&opening);
            let mut bus = Mock::new(&expected);
            assert_eq!(Pca9685::open(bus.clone(), 0x40).unwrap_err(), error, "at write {place}");
            Pca9685::open(bus.clone(), 0x40).unwrap();
            bus.done();
        }
        let mut bus = Mock::new(&[opening.as_slice(), &[failing(&quarter), quarter]].concat());
        let mut chip = Pca9685::open(bus.clone(), 0x40).unwrap();
        assert_eq!([chip.set(3, Share::of(0.25)), chip.set(3, Share::of(0.25))], [Err(error), Ok(())]);
        bus.done();
    }
}
