//! A box in motion: four independent constant-velocity Kalman filters, for the centre's x and y, width and height.
//!
//! The usual eight-dimensional filter of SORT has diagonal noise and couples no two coordinates, so four filters of two
//! dimensions are the same filter without the matrices. Noise is stated per second and in shares of the box's height,
//! so that frame rate and distance do not matter.

use crate::geometry::Rect;

/// One coordinate: value and change per second, with their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    value: f32,
    speed: f32,
    value_var: f32,
    cross: f32,
    speed_var: f32,
}

impl Axis {
    fn new(value: f32, value_sd: f32, speed_sd: f32) -> Self {
        Self { value, speed: 0.0, value_var: value_sd * value_sd, cross: 0.0, speed_var: speed_sd * speed_sd }
    }

    /// Moves on by `dt` seconds; `jerk` is the spectral density of white acceleration noise.
    fn predict(&mut self, dt: f32, jerk: f32) {
        self.value += self.speed * dt;
        self.value_var += dt * (2.0 * self.cross + dt * self.speed_var) + jerk * dt * dt * dt / 3.0;
        self.cross += dt * self.speed_var + jerk * dt * dt / 2.0;
        self.speed_var += jerk * dt;
    }

    fn correct(&mut self, measured: f32, noise_sd: f32) {
        let innovation_var = self.value_var + noise_sd * noise_sd;
        if innovation_var <= f32::EPSILON {
            return;
        }
        let (gain, speed_gain) = (self.value_var / innovation_var, self.cross / innovation_var);
        let innovation = measured - self.value;
        self.value += gain * innovation;
        self.speed += speed_gain * innovation;
        self.speed_var -= speed_gain * self.cross;
        self.cross *= 1.0 - gain;
        self.value_var *= 1.0 - gain;
    }
}

/// Shares of the box's height: how far a detector's edge is off, how fast a road user may be at first sight, and how
/// quickly its size may change, per second.
const PLACE_NOISE: f32 = 0.06;
const SIZE_NOISE: f32 = 0.08;
const FIRST_SPEED: f32 = 1.5;
const FIRST_GROWTH: f32 = 0.2;
const GROWTH_CHANGE: f32 = 0.03;
/// Agility of somebody on foot, seen from a distance.
pub(super) const WALKER: f32 = 0.04;
/// Agility of whatever comes close at speed: in the picture it accelerates all the time.
pub(super) const RIDER: f32 = 1.0;
/// Seconds after which an unseen road user's speed has fallen to a third: it may have stopped behind what hides it.
const COASTING_S: f32 = 2.0;

/// The filtered box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    centre: [Axis; 2],
    size: [Axis; 2],
}

impl Motion {
    pub(super) fn new(rect: Rect) -> Self {
        let (centre, h) = (rect.centre(), rect.h.max(1.0));
        let place = |value| Axis::new(value, h * PLACE_NOISE * 2.0, h * FIRST_SPEED);
        let side = |value| Axis::new(value, h * SIZE_NOISE * 2.0, h * FIRST_GROWTH);
        Self { centre: [place(centre.x), place(centre.y)], size: [side(rect.w), side(rect.h)] }
    }

    /// Moves on by `dt` seconds; `unseen` road users lose speed. `agility` is how quickly their speed may change: its
    /// variance per second, in squared shares of the height per second.
    pub(super) fn predict(&mut self, dt: f32, agility: f32, unseen: bool) {
        let h = self.size[1].value.max(1.0);
        for axis in &mut self.centre {
            axis.predict(dt, h * h * agility);
        }
        for axis in &mut self.size {
            axis.predict(dt, (h * GROWTH_CHANGE) * (h * GROWTH_CHANGE) * (agility / WALKER).max(1.0));
        }
        if unseen {
            let keep = (-dt / COASTING_S).exp();
            self.centre.iter_mut().chain(&mut self.size).for_each(|axis| axis.speed *= keep);
        }
    }

    pub(super) fn correct(&mut self, rect: Rect) {
        let (centre, h) = (rect.centre(), rect.h.max(1.0));
        for (axis, measured) in self.centre.iter_mut().zip([centre.x, centre.y]) {
            axis.correct(measured, h * PLACE_NOISE);
        }
        for (axis, measured) in self.size.iter_mut().zip([rect.w, rect.h]) {
            axis.correct(measured, h * SIZE_NOISE);
        }
    }

    /// Where the box is now.
    pub(super) fn rect(&self) -> Rect {
        let [w, h] = self.size.map(|axis| axis.value.max(1.0));
        let [x, y] = self.centre.map(|axis| axis.value);
        Rect { x: x - w / 2.0, y: y - h / 2.0, w, h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_movement_is_learnt_and_carried_over_a_gap() {
        let at = |frame: u8| Rect { x: 10.0 + 4.0 * f32::from(frame), y: 50.0, w: 40.0, h: 100.0 };
        let mut motion = Motion::new(at(0));
        for frame in 1..20 {
            motion.predict(0.1, WALKER, false);
            motion.correct(at(frame));
        }
        for _ in 0..3 {
            motion.predict(0.1, WALKER, true);
        }
        let rect = motion.rect();
        assert!((rect.x - at(22).x).abs() < 6.0, "{rect:?}");
        assert!((rect.y - 50.0).abs() < 1.0 && (rect.h - 100.0).abs() < 1.0, "{rect:?}");
    }

    #[test]
    fn half_the_frame_rate_learns_the_same_speed() {
        let at = |seconds: f32| Rect { x: 80.0 * seconds, y: 0.0, w: 40.0, h: 100.0 };
        let speed = |dt: f32, steps: u8| {
            let mut motion = Motion::new(at(0.0));
            for step in 1..=steps {
                motion.predict(dt, WALKER, false);
                motion.correct(at(dt * f32::from(step)));
            }
            motion.centre[0].speed
        };
        assert!((speed(0.04, 50) - 80.0).abs() < 4.0);
        assert!((speed(0.08, 25) - 80.0).abs() < 4.0);
    }
}
