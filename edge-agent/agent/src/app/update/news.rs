//! What becomes of an update, in the words and records that the audit log, the center and whoever asked get of it.

use edge_protocol::record::{
    AlertKind, AuditKind, AuditRecord, Change as Versions, Record, Sentence, UpdateStage, UpdateStep, Verdict, Word,
};
use edge_protocol::time::WallStamp;

use crate::app::run;
use crate::control::draft;
use crate::update::models::{ModelsFault, ModelsTold};
use crate::update::{Change, Refusal, Told, Version};

/// One piece of news.
#[derive(Debug)]
pub(super) struct News {
    kind: AuditKind,
    words: String,
    alert: Option<AlertKind>,
    /// For whoever gave the order.
    pub(super) verdict: Verdict,
}

impl News {
    /// Of an image.
    pub(super) fn of_image(told: &Told) -> Self {
        let words = image_words(told);
        let text = Sentence::cut(&words);
        let old = |change: &Change| version(change.old.as_ref());
        let new = |change: &Change| change.new.to_string();
        match told {
            Told::Refused(_) => Self::refused(words),
            Told::Installed(_) => Self::underway(words),
            Told::Good(change) => {
                let alert = Some(AlertKind::Update(versions(&old(change), &new(change))));
                Self { kind: AuditKind::Outcome, words, alert, verdict: Verdict::Done(text) }
            }
            Told::RolledBack(change, _) => {
                let alert = Some(AlertKind::Rollback(versions(&new(change), &old(change))));
                Self { kind: AuditKind::Outcome, words, alert, verdict: Verdict::Failed(text) }
            }
        }
    }

    /// Of a set of models.
    pub(super) fn of_models(told: &ModelsTold) -> Self {
        let swap = told.swap();
        let (former, new) = (set(swap.from), set(Some(swap.to)));
        let (words, alert, failed) = match told {
            ModelsTold::OnTrial(_) => {
                return Self::underway(format!(
                    "{new} passed the self-test here and are in use on trial, after {former}"
                ));
            }
            ModelsTold::Taken(_) => {
                (format!("{new} are in use, after {former}"), AlertKind::Update(versions(&former, &new)), false)
            }
            ModelsTold::GoneBack(_, why) => {
                let words = format!("{former} are in use again, {new} were given up: {why}");
                (words, AlertKind::Rollback(versions(&new, &former)), true)
            }
        };
        let text = Sentence::cut(&words);
        let verdict = if failed { Verdict::Failed(text) } else { Verdict::Done(text) };
        Self { kind: AuditKind::Outcome, words, alert: Some(alert), verdict }
    }

    /// Of a set that is in use already.
    pub(super) fn already(revision: u64) -> Self {
        let words = format!("models {revision} were in use already");
        let verdict = Verdict::Done(Sentence::cut(&words));
        Self { kind: AuditKind::Outcome, words, alert: None, verdict }
    }

    /// Of a set that is not taken.
    pub(super) fn models_refused(why: &ModelsFault) -> Self {
        Self::refused(format!("a set of models was refused, the ones in use stay: {why}"))
    }

    /// Of a set that did not get so far as to be judged.
    pub(super) fn models_not_taken(revision: u64, why: &Refusal) -> Self {
        Self::refused(format!("models {revision} were not taken, the ones in use stay: {why}"))
    }

    fn refused(words: String) -> Self {
        let verdict = Verdict::Failed(Sentence::cut(&words));
        let alert = Some(AlertKind::Fault(Word::cut("update")));
        Self { kind: AuditKind::Refusal, words, alert, verdict }
    }

    fn underway(words: String) -> Self {
        let step = UpdateStep { stage: UpdateStage::Installed, percent: 100, text: Sentence::cut(&words) };
        Self { kind: AuditKind::Outcome, words, alert: None, verdict: Verdict::Update(step) }
    }

    /// For the audit log.
    pub(super) fn entry(&self, now: WallStamp) -> AuditRecord {
        draft(self.kind, None, &self.words, now)
    }

    /// What the center is told at once, beside the entry.
    pub(super) fn alert(&self, now: WallStamp) -> Option<Record> {
        let kind = self.alert.clone()?;
        Some(Record::Alert(Box::new(run::alert::alert(kind, false, &self.words, now))))
    }
}

fn versions(from: &str, to: &str) -> Versions {
    Versions { from: Word::cut(from), to: Word::cut(to) }
}

fn set(revision: Option<u64>) -> String {
    revision.map_or_else(|| "the image's models".to_owned(), |revision| format!("models {revision}"))
}

fn version(version: Option<&Version>) -> String {
    version.map_or_else(|| "an image of unknown version".to_owned(), ToString::to_string)
}

fn image_words(told: &Told) -> String {
    let to = |change: &Change| change.from.other().as_str();
    match told {
        Told::Refused(why) => format!("a bundle was refused, nothing was changed: {why}"),
        Told::Installed(change) => format!("{} was written to slot {}, which is now primary", change.new, to(change)),
        Told::Good(change) => {
            format!("slot {} with {} is marked good, after {}", to(change), change.new, version(change.old.as_ref()))
        }
        Told::RolledBack(change, why) => format!(
            "slot {} with {} is back, {} was given up: {why}",
            change.from.as_str(),
            version(change.old.as_ref()),
            change.new
        ),
    }
}
