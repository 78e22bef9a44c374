//! Camera care: whether the picture itself says that the lens is covered, out of focus, turned, blind.
//!
//! One look a second at the decoded picture is compared with what the camera used to see: a slow reference of where
//! edges and areas are (`view`). A finding must last to be told and must be gone as long to be over. A picture that
//! stands still (`still`) is watched for by itself, whether or not the others are. Belongs here: the rules. Does not
//! belong here: what is told of findings (`event`).

mod still;
mod view;

pub use still::Stillness;

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::picture::Picture;
use crate::time::MediaTime;
use view::{Measure, View, likeness};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Looks after which the reference is believed.
const LEARNT: u32 = 10;
/// The reference follows what is seen with this many looks as its time constant: minutes, as shadows and dusk do.
const FOLLOWS: f32 = 90.0;
/// A finding ends only this far on the good side of its limit, as a share of the limit.
const MARGIN: f32 = 0.2;
/// How far a turned camera is searched, in cells of a ninety-sixth of the width.
const REACH: isize = 8;
/// A reference with fewer edges than this has nothing to lose: fog, a wall, night.
const EMPTY: f32 = 0.004;
/// The scene of a camera that stays turned counts as the new one after this.
const ACCEPTED: Duration = Duration::from_mins(10);
/// A picture whose edges fell to this share of the reference shows nothing to recognise by.
const BARE: f32 = 0.25;

/// When a finding is one. Each limit is in the words and units of the finding's alert.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct CareSettings {
    /// Too dark at a mean brightness, 0 to 255, below this.
    #[n(0)]
    pub dark_below: f32,
    /// Over-exposed with more than this share of burnt-out pixels.
    #[n(1)]
    pub burnt_above: f32,
    /// Covered with less than this share of the usual edges left.
    #[n(2)]
    pub covered_below: f32,
    /// Out of focus below this share of the usual sharpness.
    #[n(3)]
    pub focus_below: f32,
    /// Turned below this likeness with the usual picture, 1 being the same.
    #[n(4)]
    pub likeness_below: f32,
    /// Seconds that a finding lasts before it is told, or is gone before it is over.
    #[n(5)]
    pub lasts_s: u32,
}

impl Default for CareSettings {
    fn default() -> Self {
        Self {
            dark_below: 12.0,
            burnt_above: 0.5,
            covered_below: 0.25,
            focus_below: 0.6,
            likeness_below: 0.45,
            lasts_s: 5,
        }
    }
}

/// What is wrong with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Finding {
    /// Something is before the lens.
    #[n(0)]
    Covered,
    /// Edges are there, and soft.
    #[n(1)]
    Defocused,
    /// Another scene, or the same beside its place.
    #[n(2)]
    Moved,
    /// Too dark to see.
    #[n(3)]
    TooDark,
    /// Too bright to see.
    #[n(4)]
    OverExposed,
    /// The same to the last bit for a minute; see [`Stillness`].
    #[n(5)]
    Frozen,
}

impl Finding {
    /// Those that [`Care`] judges.
    pub const BY_CARE: [Self; 5] = [Self::Covered, Self::Defocused, Self::Moved, Self::TooDark, Self::OverExposed];

    /// The finding in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Defocused => "defocused",
            Self::Moved => "moved",
            Self::TooDark => "too dark",
            Self::OverExposed => "over-exposed",
            Self::Frozen => "frozen",
        }
    }

    /// What is measured for it, in words.
    #[must_use]
    pub fn measure(self) -> &'static str {
        match self {
            Self::Covered => "share of the usual edges",
            Self::Defocused => "share of the usual sharpness",
            Self::Moved => "likeness with the usual picture",
            Self::TooDark => "brightness",
            Self::OverExposed => "share burnt out",
            Self::Frozen => "seconds without any change",
        }
    }
}

/// A finding that began or is over.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct CareSighting {
    /// When it had lasted long enough.
    #[n(0)]
    pub media: MediaTime,
    /// What it is.
    #[n(1)]
    pub finding: Finding,
    /// Whether it is over.
    #[n(2)]
    pub over: bool,
    /// What was measured last; see [`Finding::measure`].
    #[n(3)]
    pub measured: f32,
    /// The limit for it.
    #[n(4)]
    pub limit: f32,
}

/// What one look measured, for whoever sets the limits. Shares are of what is usual; none before that is learnt, or
/// where the picture shows too little to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// When.
    pub media: MediaTime,
    /// Mean brightness, 0 to 255.
    pub brightness: f32,
    /// Share of burnt-out pixels.
    pub burnt: f32,
    /// Share of the usual edges.
    pub edges: Option<f32>,
    /// Share of the usual sharpness.
    pub sharpness: Option<f32>,
    /// Likeness with the usual picture.
    pub likeness: Option<f32>,
    /// The same where the usual picture is shifted to fit best.
    pub shifted: Option<f32>,
}

/// What one picture looks like by itself, without a usual one to compare it with: for whoever aims and focuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
pub struct Appearance {
    /// Mean brightness, 0 to 255.
    #[n(0)]
    pub brightness: f32,
    /// Share of burnt-out pixels.
    #[n(1)]
    pub burnt: f32,
    /// How steep edges are: 1/64 for the softest slope, near 1/8 for clean edges, more with noise; none without edges.
    #[n(2)]
    pub sharpness: Option<f32>,
}

impl Appearance {
    /// Measures a picture.
    #[must_use]
    pub fn of(picture: &Picture<'_>) -> Self {
        let View { brightness, burnt, sharpness, .. } = Measure::default().view(picture);
        Self { brightness, burnt, sharpness }
    }
}

/// Looks after one camera's picture.
#[derive(Clone, Debug)]
pub struct Care {
    settings: CareSettings,
    measure: Measure,
    usual: View,
    learnt: u32,
    last: Option<MediaTime>,
    courts: [Court; 5],
    look: Option<Look>,
}

/// One finding's standing.
#[derive(Clone, Copy, Debug, Default)]
struct Court {
    stands: bool,
    /// Since when the evidence says otherwise.
    since: Option<MediaTime>,
    /// Since when it stands.
    stood: Option<MediaTime>,
}

impl Care {
    /// Care that has seen nothing yet.
    #[must_use]
    pub fn new(settings: CareSettings) -> Self {
        Self {
            settings,
            measure: Measure::default(),
            usual: View::default(),
            learnt: 0,
            last: None,
            courts: [Court::default(); 5],
            look: None,
        }
    }

    /// What the last look measured.
    #[must_use]
    pub fn last_look(&self) -> Option<&Look> {
        self.look.as_ref()
    }

    /// Takes in a picture; once a second it is looked at.
    pub fn see(&mut self, picture: &Picture<'_>, media: MediaTime) -> Vec<CareSighting> {
        let early = |last: MediaTime| media >= last && media.saturating_since(last) < EVERY;
        if self.last.is_some_and(early) {
            return Vec::new();
        }
        if self.last.is_some_and(|last| media < last) {
            // Another stream: nothing that was about to be told lasted.
            self.courts.iter_mut().for_each(|court| court.since = None);
        }
        self.last = Some(media);
        let view = self.measure.view(picture);
        let look = self.compare(&view, media);
        self.look = Some(look);
        let told: Vec<_> = Finding::BY_CARE.into_iter().filter_map(|finding| self.judge(finding, &look)).collect();
        self.learn(&view, media);
        told
    }

    fn compare(&self, view: &View, media: MediaTime) -> Look {
        let knows = self.learnt >= LEARNT && self.usual.edges >= EMPTY && !view.structure.is_empty();
        let edges = knows.then(|| view.edges / self.usual.edges);
        let bare = edges.is_none_or(|edges| edges < BARE);
        let sharpness = view.sharpness.zip(self.usual.sharpness).filter(|_| knows && !bare);
        let likeness_at = |shift| likeness(&view.structure, &self.usual.structure, shift);
        let at_home = knows.then(|| likeness_at((0, 0)));
        let elsewhere = || {
            let shifts = (-REACH..=REACH).flat_map(|down| (-REACH..=REACH).map(move |across| (across, down)));
            // Beside the place by a cell is shake and not a turn.
            shifts.filter(|(across, down)| across.abs().max(down.abs()) > 1).map(likeness_at).fold(0.0, f32::max)
        };
        // The search costs a millisecond, so it is made only where something is odd.
        let odd = at_home.is_some_and(|likeness| likeness < 0.8);
        Look {
            media,
            brightness: view.brightness,
            burnt: view.burnt,
            edges,
            sharpness: sharpness.map(|(now, usual)| now / usual),
            likeness: at_home,
            shifted: if odd { Some(elsewhere()) } else { at_home },
        }
    }

    /// What a look says of a finding: the value measured, its limit and whether it is one; none where it cannot say.
    fn evidence(&self, finding: Finding, look: &Look) -> Option<(f32, f32, bool)> {
        let stands = self.courts.get(finding as usize).is_some_and(|court| court.stands);
        let below = |value: f32, limit: f32| value < if stands { limit * (1.0 + MARGIN) } else { limit };
        let limits = &self.settings;
        let dark = below(look.brightness, limits.dark_below);
        let burnt = look.burnt > if stands { limits.burnt_above * (1.0 - MARGIN) } else { limits.burnt_above };
        // Dusk takes the reference along; a hand does not.
        let suddenly = self.learnt >= LEARNT && self.usual.brightness > 4.0 * limits.dark_below;
        let home = look.likeness.unwrap_or(1.0);
        let turned = home < limits.likeness_below || look.shifted.is_some_and(|shifted| shifted > home + 0.3);
        match finding {
            Finding::Frozen => None,
            Finding::TooDark => Some((look.brightness, limits.dark_below, dark && !suddenly)),
            Finding::OverExposed => Some((look.burnt, limits.burnt_above, burnt)),
            Finding::Covered if dark && suddenly => Some((look.brightness, limits.dark_below, true)),
            Finding::Covered | Finding::Defocused | Finding::Moved if dark || burnt => None,
            Finding::Covered => {
                let edges = look.edges?;
                Some((edges, limits.covered_below, below(edges, limits.covered_below) && home < limits.likeness_below))
            }
            Finding::Defocused => {
                let (edges, limit) = (look.edges?, limits.focus_below);
                // So soft that no edge is left, while areas are still where they were.
                let washed_out = edges < BARE && home >= limits.likeness_below;
                let sharpness = if edges < BARE { edges } else { look.sharpness? };
                Some((sharpness, limit, washed_out || (edges >= BARE && below(sharpness, limit) && !turned)))
            }
            Finding::Moved => {
                let enough = look.edges? >= BARE;
                let home_below = below(home, limits.likeness_below);
                Some((home, limits.likeness_below, enough && (home_below || (turned && home < 0.8))))
            }
        }
    }

    fn judge(&mut self, finding: Finding, look: &Look) -> Option<CareSighting> {
        let (measured, limit, is_one) = self.evidence(finding, look)?;
        let lasts = Duration::from_secs(u64::from(self.settings.lasts_s));
        let court = self.courts.get_mut(finding as usize)?;
        if is_one == court.stands {
            court.since = None;
            return None;
        }
        let since = *court.since.get_or_insert(look.media);
        if look.media.saturating_since(since) < lasts {
            return None;
        }
        *court = Court { stands: is_one, since: None, stood: is_one.then_some(look.media) };
        Some(CareSighting { media: look.media, finding, over: !is_one, measured, limit })
    }

    /// Takes a look into what is usual; not while something is wrong, or the fault would become usual.
    fn learn(&mut self, view: &View, media: MediaTime) {
        let turned = self.courts.get_mut(Finding::Moved as usize);
        let stood = turned.and_then(|court| court.stood.take_if(|stood| media.saturating_since(*stood) >= ACCEPTED));
        if stood.is_some() {
            self.learnt = 0;
        }
        // Until enough is usual everything is learnt: a camera put up at night starts with the night.
        let odd = self.courts.iter().any(|court| court.stands || court.since.is_some());
        if odd && self.learnt >= LEARNT {
            return;
        }
        if self.learnt == 0 || self.usual.structure.len() != view.structure.len() {
            self.usual.clone_from(view);
            self.learnt = 1;
            return;
        }
        self.learnt = self.learnt.saturating_add(1);
        #[allow(clippy::cast_precision_loss, reason = "beyond the time constant it no longer matters")]
        let share = 1.0 / (self.learnt as f32).min(FOLLOWS);
        let follow = |usual: &mut f32, now: f32| *usual += (now - *usual) * share;
        follow(&mut self.usual.brightness, view.brightness);
        follow(&mut self.usual.edges, view.edges);
        if let Some(now) = view.sharpness {
            follow(self.usual.sharpness.get_or_insert(now), now);
        }
        self.usual.structure.iter_mut().zip(&view.structure).for_each(|(usual, now)| follow(usual, *now));
    }
}

#[cfg(test)]
mod tests;
