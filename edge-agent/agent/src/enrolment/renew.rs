//! The next certificate, before the present one ends.
//!
//! At two thirds of its life the unit makes its next key, and asks over its living identity. The new pair is written
//! beside the present one, `identity.toml` is replaced last, and the present pair is removed only after the broker has
//! taken a connection with the new one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::enrolment::{Refusal, Renewal, RenewalAnswer};
use edge_protocol::sign::{Chain, Root, SigningKey, Subject};
use edge_protocol::time::{MonoTime, WallTime};
use edge_store::disk::{Disk, read};

use super::identity::{Identity, Place, key_file};
use super::request::pending_key;
use super::spent::ClaimKey;
use super::{EnrolError, at, key};
use crate::keys::{KeyError, Keys, NewKey};
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// How long an answer is waited for, and how long nothing is asked after a refusal.
const AGAIN: Duration = Duration::from_hours(1);

/// What renewing needs of the line to the center.
pub trait Line: Send {
    /// Asks, and keeps asking over cut connections until there is an answer.
    fn ask(&self, sealed: Vec<u8>);
    /// The answer, once.
    fn answer(&self) -> Option<Vec<u8>>;
    /// Goes on with these files: root, certificate, key.
    ///
    /// # Errors
    /// In words, why they cannot be used.
    fn switch(&self, files: [PathBuf; 3]) -> Result<(), String>;
    /// Whether the broker has taken a connection with the files of the last switch.
    fn is_in_use(&self) -> bool;
    /// Tells the center that no certificate is to be had.
    fn refused(&self, reason: Refusal);
}

/// What renewing is connected to.
pub struct Ends {
    /// Where the identity is.
    pub place: Place,
    /// Where its next key is made.
    pub keys: Keys,
    /// The disk that it is on.
    pub disk: Arc<dyn Disk>,
    /// To the center.
    pub line: Box<dyn Line>,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Keeps the unit's certificate young.
#[derive(Debug)]
pub struct Renewer {
    ends: Ends,
    state: State,
    /// Made and written down before the center is asked; the same is asked about until there is a certificate for it.
    next: Option<NewKey>,
    /// The key of the claim that enrolled the unit, where the enrolment had no line for its first connection.
    spent: Option<ClaimKey>,
}

#[derive(Debug)]
enum State {
    /// The present certificate is good for long; or nothing is asked before this moment.
    Resting(Option<MonoTime>),
    /// The center was asked at this moment.
    Asked(MonoTime),
    /// The new pair is on the disk; the present one is removed once the new one is in use.
    Switching([PathBuf; 2]),
}

/// The present certificate with what belongs to it.
struct Present {
    identity: Identity,
    root: Root,
    chain: Chain,
    key: SigningKey,
}

impl Renewer {
    /// Whoever keeps the identity of this place young.
    pub fn new(ends: Ends) -> Self {
        Self { ends, state: State::Resting(None), next: None, spent: None }
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// Where the identity cannot be read or written.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        self.begin().map_err(|error| Fault::from_error(&error))?;
        loop {
            let now = self.ends.clock.mono();
            self.ends.pulse.beat(now);
            self.step(now, self.ends.clock.wall().time).map_err(|error| Fault::from_error(&error))?;
            if stop.wait_timeout(LOOK) {
                return Ok(());
            }
        }
    }

    /// A stage that is started again has what it had; the file of the key that was asked about goes now.
    pub(super) fn begin(&mut self) -> Result<(), EnrolError> {
        (self.next, self.state) = (None, State::Resting(None));
        self.tidy()?;
        self.spent = ClaimKey::spent(&self.ends.place, &*self.ends.disk).unwrap_or_else(|error| {
            tracing::warn!(%error, "whether the claim's key is still there is not known");
            None
        });
        Ok(())
    }

    /// One look.
    pub(super) fn step(&mut self, now: MonoTime, wall: WallTime) -> Result<(), EnrolError> {
        if self.ends.line.is_in_use()
            && let Some(key) = self.spent.take()
        {
            self.erase_claim(&key);
        }
        let state = std::mem::replace(&mut self.state, State::Resting(None));
        self.state = match state {
            State::Resting(Some(until)) if now < until => State::Resting(Some(until)),
            State::Resting(_) => self.look(now, wall)?,
            State::Asked(since) => match self.ends.line.answer() {
                Some(answer) => self.answered(&answer, since, later(now))?,
                None if now.saturating_since(since) >= AGAIN => State::Resting(None),
                None => State::Asked(since),
            },
            State::Switching(former) if self.ends.line.is_in_use() => {
                for path in &former {
                    self.ends.disk.remove(path).map_err(at("remove", path))?;
                }
                self.forget_keys();
                tracing::info!("the new certificate is in use; the former one is removed");
                State::Resting(None)
            }
            State::Switching(former) => State::Switching(former),
        };
        Ok(())
    }

    fn erase_claim(&self, key: &ClaimKey) {
        match key.erase(&self.ends.place, &*self.ends.disk) {
            Ok(true) => tracing::info!("the broker has taken this unit; the claim's key is erased"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the claim's key is still there, remove it"),
        }
    }

    fn look(&mut self, now: MonoTime, wall: WallTime) -> Result<State, EnrolError> {
        let present = self.present()?;
        let (from, until) = present.chain.validity().map_err(|error| self.unfit(error.to_string()))?;
        if !is_due(from, until, wall) {
            return Ok(State::Resting(Some(now.saturating_add(Duration::from_mins(1)))));
        }
        match self.ask(&present) {
            Ok(()) => {
                tracing::info!(%until, "the certificate is past two thirds of its life; the next one is asked for");
                Ok(State::Asked(now))
            }
            // A token that is away is asked again later.
            Err(error @ EnrolError::Key(_)) => {
                tracing::warn!(%error, "the next certificate cannot be asked for now");
                Ok(later(now))
            }
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, present: &Present) -> Result<(), EnrolError> {
        let Ends { place, keys, disk, line, .. } = &self.ends;
        let next = if let Some(next) = self.next.take() {
            next
        } else {
            let made = key::make(keys, place, &**disk)?;
            place.write(&key_file(&key::name(made.key.public())), &made.file, &**disk)?;
            made
        };
        let asked = Renewal::new(self.next.insert(next).request.clone());
        let sealed = asked.seal(&present.key, &present.chain);
        line.ask(sealed.map_err(|error| KeyError::Token { doing: "sign", why: error.to_string() })?);
        Ok(())
    }

    fn answered(&mut self, answer: &[u8], since: MonoTime, later: State) -> Result<State, EnrolError> {
        match RenewalAnswer::decode(answer) {
            Some(RenewalAnswer::Granted(der)) => self.switch(&der, later),
            Some(RenewalAnswer::Refused(reason)) => {
                tracing::error!(reason = reason.as_str(), "the center gives no further certificate");
                self.ends.line.refused(reason);
                Ok(later)
            }
            None => {
                tracing::warn!("an answer about the next certificate that cannot be read");
                Ok(State::Asked(since))
            }
        }
    }

    /// Goes on with the next pair, whose key is on the disk since it was asked about.
    fn switch(&mut self, der: &[u8], later: State) -> Result<State, EnrolError> {
        let Some(next) = self.next.take() else { return Ok(later) };
        let Present { mut identity, root, chain, .. } = self.present()?;
        let new = Chain::from_der(der.to_vec());
        let same_unit = match (root.check(&new, None), chain.subject()) {
            (Ok(new @ Subject::Unit(..)), Ok(present)) => new == present,
            _ => false,
        };
        if !same_unit || new.public_key().ok().as_deref() != Some(next.key.public()) {
            tracing::error!("the center's next certificate is not this unit's; the present one stays");
            return Ok(later);
        }
        let Ends { place, keys, disk, line, .. } = &self.ends;
        if let Err(error) = keys.try_out(&next.file) {
            tracing::error!(%error, "the next key does not sign; the present one stays");
            return Ok(later);
        }
        let name = key::name(next.key.public());
        let former = [identity.uplink.certificate, identity.uplink.key];
        identity.uplink.certificate = place.keep_certificate(der, &name, &**disk)?;
        identity.uplink.key = place.file(&key_file(&name));
        place.keep_identity(&identity, &**disk)?;
        let files = [identity.uplink.ca, identity.uplink.certificate, identity.uplink.key];
        if let Err(error) = line.switch(files) {
            tracing::error!(error, "the next certificate cannot be used before the next start");
            return Ok(later);
        }
        Ok(State::Switching(former))
    }

    fn present(&self) -> Result<Present, EnrolError> {
        let Ends { place, keys, disk, .. } = &self.ends;
        let identity = place.identity_of(&**disk)?;
        let file = |path: &PathBuf| read(&**disk, path).map_err(at("read", path));
        let unfit = |error: edge_protocol::sign::SignatureError| self.unfit(error.to_string());
        let root = Root::from_pem(&file(&identity.uplink.ca)?).map_err(unfit)?;
        let chain = Chain::from_pem(&file(&identity.uplink.certificate)?).map_err(unfit)?;
        let key = keys.open(&file(&identity.uplink.key)?)?;
        Ok(Present { identity, root, chain, key })
    }

    fn unfit(&self, why: String) -> EnrolError {
        EnrolError::Unfit { path: self.ends.place.identity(), why }
    }

    /// Removes pairs that an interrupted renewal left and that nothing names. An enrolment may wait for its answer
    /// beside the present identity.
    pub(super) fn tidy(&self) -> Result<(), EnrolError> {
        let Ends { place, disk, .. } = &self.ends;
        let named: Vec<PathBuf> = place.files(&**disk)?.into_iter().chain(pending_key(place, &**disk)).collect();
        place.remove_unnamed(&named, &**disk)?;
        self.forget_keys();
        Ok(())
    }

    /// Has the token forget former keys. One that is away keeps them until the next time.
    fn forget_keys(&self) {
        let Ends { place, keys, disk, .. } = &self.ends;
        if let Err(error) = key::tidy(keys, place, &**disk) {
            tracing::warn!(%error, "former keys stay in the token for now");
        }
    }
}

/// Nothing is asked for a while.
fn later(now: MonoTime) -> State {
    State::Resting(Some(now.saturating_add(AGAIN)))
}

/// Whether two thirds of a certificate's life are over.
fn is_due(from: WallTime, until: WallTime, now: WallTime) -> bool {
    let life = until.as_micros().saturating_sub(from.as_micros());
    now.as_micros().saturating_sub(from.as_micros()) >= life / 3 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_from_two_thirds_of_its_life_on() {
        let at = |second: i64| WallTime::from_millis(second * 1000);
        for (now, due) in [(0, false), (59, false), (60, true), (90, true), (1000, true)] {
            assert_eq!(is_due(at(0), at(90), at(now)), due, "{now}");
        }
        assert!(!is_due(at(1000), at(1090), at(0)), "a box that boots in 1970 waits for a clock");
    }
}
