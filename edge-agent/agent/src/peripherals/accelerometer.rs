//! Accelerometer LIS2DH12: how the box hangs, and whether it was struck.

use embedded_hal::i2c::I2c;

use super::{Degrees, PartError, kind};

const PART: &str = "LIS2DH12";
const WHO_AM_I: u8 = 0x0f;
const IDENTITY: u8 = 0x33;
const CTRL_REG1: u8 = 0x20;
/// 100 Hz, all three axes.
const ODR_100_HZ: u8 = 0x57;
const CTRL_REG4: u8 = 0x23;
/// Block data update, high resolution, ±2 g: one count of the upper 12 bits is 1 mg.
const HIGH_RESOLUTION: u8 = 0x88;
/// The high-pass filter serves the stroke detector alone, so that gravity does not count as a stroke.
const CTRL_REG2: u8 = 0x21;
const FILTER_FOR_STROKES: u8 = 0x01;
/// A stroke stays noted until `INT1_SRC` is read, however short it was.
const CTRL_REG5: u8 = 0x24;
const LATCH_STROKES: u8 = 0x08;
const INT1_CFG: u8 = 0x30;
/// Any of the three axes above the threshold.
const ANY_AXIS_HIGH: u8 = 0x2a;
const INT1_SRC: u8 = 0x31;
const STROKE_NOTED: u8 = 0x40;
const INT1_THS: u8 = 0x32;
/// One count of the threshold at ±2 g.
const MG_PER_COUNT: u16 = 16;
/// First of six output registers; the top bit asks for auto-increment.
const OUT_X_L: u8 = 0x28 | 0x80;

/// Acceleration in thousandths of g along the part's three axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tilt {
    /// Along x.
    pub x_mg: i16,
    /// Along y.
    pub y_mg: i16,
    /// Along z.
    pub z_mg: i16,
}

impl Tilt {
    /// The angle between this pull and `other`'s: how far the box turned between two readings at rest.
    pub fn angle_from(&self, other: &Self) -> Degrees {
        let dot = self.axes().iter().zip(other.axes()).map(|(a, b)| a * b).sum::<f32>();
        let lengths = self.strength_mg() * other.strength_mg();
        if lengths <= f32::EPSILON {
            Degrees(0.0)
        } else {
            Degrees((dot / lengths).clamp(-1.0, 1.0).acos().to_degrees())
        }
    }

    /// The length of the pull in thousandths of g: 1000 at rest, more while being struck.
    pub fn strength_mg(&self) -> f32 {
        self.axes().iter().map(|axis| axis * axis).sum::<f32>().sqrt()
    }

    fn axes(self) -> [f32; 3] {
        [self.x_mg, self.y_mg, self.z_mg].map(f32::from)
    }
}

/// The LIS2DH12 of ST.
#[derive(Debug)]
pub struct Lis2dh12<B> {
    bus: B,
    address: u8,
}

impl<B: I2c> Lis2dh12<B> {
    /// The part at a 7-bit address (0x18 or 0x19), identified and set to ±2 g at 100 Hz.
    ///
    /// # Errors
    /// When the bus fails or another part answers.
    pub fn open(mut bus: B, address: u8) -> Result<Self, PartError> {
        let failed = |error: B::Error| PartError::bus(PART)(kind(&error));
        let mut identity = [0];
        bus.write_read(address, &[WHO_AM_I], &mut identity).map_err(failed)?;
        if identity != [IDENTITY] {
            return Err(PartError::Identity { part: PART, found: u16::from(identity[0]) });
        }
        bus.write(address, &[CTRL_REG1, ODR_100_HZ]).map_err(failed)?;
        bus.write(address, &[CTRL_REG4, HIGH_RESOLUTION]).map_err(failed)?;
        Ok(Self { bus, address })
    }

    /// Has the part note strokes beyond `threshold_mg`, up to 2 g.
    ///
    /// # Errors
    /// When the bus fails.
    pub fn watch_for_strokes(&mut self, threshold_mg: u16) -> Result<(), PartError> {
        let counts = u8::try_from((threshold_mg / MG_PER_COUNT).clamp(1, 127)).unwrap_or(127);
        for pair in
            [[CTRL_REG2, FILTER_FOR_STROKES], [INT1_THS, counts], [CTRL_REG5, LATCH_STROKES], [INT1_CFG, ANY_AXIS_HIGH]]
        {
            self.bus.write(self.address, &pair).map_err(|error| PartError::bus(PART)(kind(&error)))?;
        }
        Ok(())
    }

    /// Whether there was a stroke since the last look.
    ///
    /// # Errors
    /// When the bus fails.
    pub fn was_struck(&mut self) -> Result<bool, PartError> {
        let mut source = [0];
        let read = self.bus.write_read(self.address, &[INT1_SRC], &mut source);
        read.map_err(|error| PartError::bus(PART)(kind(&error)))?;
        Ok(source[0] & STROKE_NOTED != 0)
    }

    /// Measures.
    ///
    /// # Errors
    /// When the bus fails or is stuck: nothing at rest is without weight on all three axes.
    pub fn read(&mut self) -> Result<Tilt, PartError> {
        let mut bytes = [0; 6];
        let read = self.bus.write_read(self.address, &[OUT_X_L], &mut bytes);
        read.map_err(|error| PartError::bus(PART)(kind(&error)))?;
        if bytes == [0; 6] || bytes == [0xff; 6] {
            return Err(PartError::Implausible { part: PART, reading: "no pull on any axis".to_owned() });
        }
        let [x0, x1, y0, y1, z0, z1] = bytes;
        let axis = |low, high| i16::from_le_bytes([low, high]) >> 4;
        Ok(Tilt { x_mg: axis(x0, x1), y_mg: axis(y0, y1), z_mg: axis(z0, z1) })
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    use super::*;

    #[test]
    fn the_part_is_identified_set_up_and_read_with_signs() {
        let mut bus = Mock::new(&[
            Transaction::write_read(0x19, vec![WHO_AM_I], vec![0x33]),
            Transaction::write(0x19, vec![CTRL_REG1, ODR_100_HZ]),
            Transaction::write(0x19, vec![CTRL_REG4, HIGH_RESOLUTION]),
            // -1000 mg, 0, 350 mg, left-justified in 16 bits.
            Transaction::write_read(0x19, vec![OUT_X_L], vec![0x80, 0xc1, 0x00, 0x00, 0xe0, 0x15]),
        ]);
        let tilt = Lis2dh12::open(bus.clone(), 0x19).unwrap().read().unwrap();
        bus.done();
        assert_eq!(tilt, Tilt { x_mg: -1000, y_mg: 0, z_mg: 350 });
    }

    #[test]
    fn strokes_are_noted_by_the_part_itself_and_told_once() {
        let mut bus = Mock::new(&[
            Transaction::write_read(0x19, vec![WHO_AM_I], vec![0x33]),
            Transaction::write(0x19, vec![CTRL_REG1, ODR_100_HZ]),
            Transaction::write(0x19, vec![CTRL_REG4, HIGH_RESOLUTION]),
            Transaction::write(0x19, vec![CTRL_REG2, 0x01]),
            // 800 mg are 50 counts of 16 mg.
            Transaction::write(0x19, vec![INT1_THS, 50]),
            Transaction::write(0x19, vec![CTRL_REG5, 0x08]),
            Transaction::write(0x19, vec![INT1_CFG, 0x2a]),
            Transaction::write_read(0x19, vec![INT1_SRC], vec![0x6a]),
            Transaction::write_read(0x19, vec![INT1_SRC], vec![0x15]),
        ]);
        let mut part = Lis2dh12::open(bus.clone(), 0x19).unwrap();
        part.watch_for_strokes(800).unwrap();
        assert_eq!([part.was_struck(), part.was_struck()], [Ok(true), Ok(false)]);
        bus.done();
    }

    #[test]
    fn a_stuck_bus_is_no_posture() {
        for stuck in [0x00, 0xff] {
            let mut bus = Mock::new(&[
                Transaction::write_read(0x19, vec![WHO_AM_I], vec![0x33]),
                Transaction::write(0x19, vec![CTRL_REG1, ODR_100_HZ]),
                Transaction::write(0x19, vec![CTRL_REG4, HIGH_RESOLUTION]),
                Transaction::write_read(0x19, vec![OUT_X_L], vec![stuck; 6]),
            ]);
            let read = Lis2dh12::open(bus.clone(), 0x19).unwrap().read();
            bus.done();
            assert!(matches!(read, Err(PartError::Implausible { .. })));
        }
    }

    #[test]
    fn the_angle_between_two_readings_is_the_turn_of_the_box() {
        let hung = Tilt { x_mg: 0, y_mg: 0, z_mg: 1000 };
        let turned = Tilt { x_mg: 1000, y_mg: 0, z_mg: 0 };
        assert!((turned.angle_from(&hung).0 - 90.0).abs() < 0.01);
        assert!(hung.angle_from(&hung).0 < 0.05);
        let falling = Tilt { x_mg: 0, y_mg: 0, z_mg: 0 };
        assert!(falling.angle_from(&hung).0.abs() < 0.01, "weightless has no direction");
    }

    fn failing(transaction: &Transaction) -> Transaction {
        transaction.clone().with_error(ErrorKind::Bus)
    }

    fn bus_error() -> PartError {
        PartError::Bus { part: PART, reason: "Bus".to_owned() }
    }

    fn opening() -> [Transaction; 3] {
        [
            Transaction::write_read(0x19, vec![WHO_AM_I], vec![0x33]),
            Transaction::write(0x19, vec![CTRL_REG1, ODR_100_HZ]),
            Transaction::write(0x19, vec![CTRL_REG4, HIGH_RESOLUTION]),
        ]
    }

    #[test]
    fn a_bus_error_at_any_step_of_opening_comes_back_and_the_next_opening_works() {
        for (place, step) in opening().iter().enumerate() {
            let mut expected = opening()[..place].to_vec();
            expected.push(failing(step));
            expected.extend_from_slice(&opening());
            let mut bus = Mock::new(&expected);
            assert_eq!(Lis2dh12::open(bus.clone(), 0x19).unwrap_err(), bus_error(), "at step {place}");
            Lis2dh12::open(bus.clone(), 0x19).unwrap();
            bus.done();
        }
    }

    #[test]
    fn a_bus_error_while_the_stroke_detector_is_set_comes_back_and_the_next_try_works() {
        let settings = [[CTRL_REG2, 0x01], [INT1_THS, 50], [CTRL_REG5, 0x08], [INT1_CFG, 0x2a]];
        let settings = settings.map(|pair| Transaction::write(0x19, pair.to_vec()));
        for (place, setting) in settings.iter().enumerate() {
            let before = [opening().as_slice(), &settings[..place]].concat();
            let mut bus = Mock::new(&[before.as_slice(), &[failing(setting)], &settings].concat());
            let mut part = Lis2dh12::open(bus.clone(), 0x19).unwrap();
            assert_eq!(part.watch_for_strokes(800), Err(bus_error()), "at setting {place}");
            assert_eq!(part.watch_for_strokes(800), Ok(()));
            bus.done();
        }
    }

    #[test]
    fn a_bus_error_while_measuring_comes_back_and_the_next_reading_is_good() {
        let pull = Transaction::write_read(0x19, vec![OUT_X_L], vec![0x80, 0xc1, 0x00, 0x00, 0xe0, 0x15]);
        let stroke = Transaction::write_read(0x19, vec![INT1_SRC], vec![0x6a]);
        let readings = [failing(&pull), pull, failing(&stroke), stroke];
        let mut bus = Mock::new(&[opening().as_slice(), &readings].concat());
        let mut part = Lis2dh12::open(bus.clone(), 0x19).unwrap();
        assert_eq!([part.read(), part.read()], [Err(bus_error()), Ok(Tilt { x_mg: -1000, y_mg: 0, z_mg: 350 })]);
        assert_eq!([part.was_struck(), part.was_struck()], [Err(bus_error()), Ok(true)]);
        bus.done();
    }
}
