//! What becomes of an update, in the words and records that the audit log, the center and whoever asked get of it.

use std::fmt;

use edge_protocol::record::{
    AlertKind, AuditKind, AuditRecord, Change as Versions, Record, Sentence, UpdateStage, UpdateStep, Verdict, Word,
};
use edge_protocol::time::WallStamp;

use super::artefacts::Ours;
use crate::app::run;
use crate::control::draft;
use crate::update::artefact::{self, ArtefactFault};
use crate::update::{Change, Refusal, Told, Version};

/// How people speak of a kind of artefact.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Words {
    /// With a revision after it.
    pub(super) noun: &'static str,
    /// What the image brings with it.
    pub(super) own: &'static str,
    /// Any of them.
    pub(super) one: &'static str,
    pub(super) is: &'static str,
    pub(super) was: &'static str,
    /// What is under way while one is put to use.
    pub(super) is_being: &'static str,
    /// What becomes of the one in use where another is refused.
    pub(super) stays: &'static str,
}

impl Words {
    /// One of them; none is the image's own.
    pub(super) fn name<R: fmt::Display>(&self, revision: Option<&R>) -> String {
        revision.map_or_else(|| self.own.to_owned(), |revision| format!("{} {revision}", self.noun))
    }
}

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

    /// Of an artefact beside the image.
    pub(super) fn of_artefact<A: Ours>(told: &artefact::Told<A::Revision>) -> Self {
        let (swap, Words { is, was, .. }) = (told.swap(), A::WORDS);
        let (former, new) = (A::WORDS.name(swap.from.as_ref()), A::WORDS.name(Some(&swap.to)));
        let (words, alert, failed) = match told {
            artefact::Told::OnTrial(_) => {
                return Self::underway(format!(
                    "{new} passed the self-test here and {is} in use on trial, after {former}"
                ));
            }
            artefact::Told::Taken(_) => {
                (format!("{new} {is} in use, after {former}"), AlertKind::Update(versions(&former, &new)), false)
            }
            artefact::Told::PutAside(_, why) => {
                let words = format!("{former} {is} in use, {new} {is} left alone: {why}");
                let verdict = Verdict::Failed(Sentence::cut(&words));
                return Self { kind: AuditKind::Outcome, words, alert: None, verdict };
            }
            artefact::Told::GoneBack(_, why) => {
                let words = format!("{former} {is} in use again, {new} {was} given up: {why}");
                (words, AlertKind::Rollback(versions(&new, &former)), true)
            }
        };
        let text = Sentence::cut(&words);
        let verdict = if failed { Verdict::Failed(text) } else { Verdict::Done(text) };
        Self { kind: AuditKind::Outcome, words, alert: Some(alert), verdict }
    }

    /// Of one that is in use already.
    pub(super) fn already<A: Ours>(revision: &A::Revision) -> Self {
        let words = format!("{} {} in use already", A::WORDS.name(Some(revision)), A::WORDS.was);
        let verdict = Verdict::Done(Sentence::cut(&words));
        Self { kind: AuditKind::Outcome, words, alert: None, verdict }
    }

    /// Of one that is not taken.
    pub(super) fn not_fit<A: Ours>(why: &ArtefactFault) -> Self {
        let Words { one, stays, .. } = A::WORDS;
        Self::refused(format!("{one} was refused, {stays}: {why}"))
    }

    /// Of one that did not get so far as to be judged.
    pub(super) fn not_taken<A: Ours>(revision: &A::Revision, why: &Refusal) -> Self {
        let Words { was, stays, .. } = A::WORDS;
        Self::refused(format!("{} {was} not taken, {stays}: {why}", A::WORDS.name(Some(revision))))
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
