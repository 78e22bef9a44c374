//! `edge-agent update status`: RAUC's slots and the update's state, for a person or a program.

use std::io::Write;

use edge_protocol::agent_release::AgentRelease;
use edge_protocol::model_set::ModelSet;
use edge_store::disk::RealDisk;
use serde_json::json;

use super::Here;
use super::artefacts::Ours;
use crate::update::artefact;
use crate::update::models::ModelSets;
use crate::update::release::Releases;
use crate::update::{BootState, Order, Orders, SlotName, Slots, Standing, State};

/// Shows it. Takes no lock; of what is there it changes nothing but that damaged files are set aside.
pub(super) fn show(here: &Here, as_json: bool) -> anyhow::Result<()> {
    let state = here.peek()?;
    let folder = here.folder();
    let order = Orders::new(&RealDisk, &folder).read()?;
    let standing = here.rauc().status();
    let models = ModelSets::new(&RealDisk, &here.data_dir).standing()?;
    let agents = Releases::new(&RealDisk, &here.data_dir).standing()?;
    let mut out = std::io::stdout();
    if as_json {
        let slots = standing.as_ref().ok().map(|standing| {
            [SlotName::A, SlotName::B].map(|name| {
                let slot = standing.slot(name);
                json!({ "slot": name, "booted": standing.booted == name, "primary": standing.primary == Some(name),
                    "good": slot.state == BootState::Good, "version": slot.version })
            })
        });
        let why = standing.as_ref().err().map(ToString::to_string);
        let answer = json!({ "state": state.phase.as_str(), "floor": state.floor, "slots": slots,
            "why_no_slots": why, "models": models, "agents": agents, "order": order });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    match &standing {
        Ok(standing) => {
            for name in [SlotName::A, SlotName::B] {
                writeln!(out, "{}", line(standing, name))?;
            }
        }
        Err(fault) => writeln!(out, "no slots are known here: {fault}")?,
    }
    writeln!(out, "update: {}", summary(&state))?;
    writeln!(out, "models: {}", line_of::<ModelSet>(&models))?;
    writeln!(out, "agent: {}", line_of::<AgentRelease>(&agents))?;
    if let Some(order) = order {
        writeln!(out, "ordered by the center: {}", ordered(&order))?;
    }
    Ok(())
}

fn line(standing: &Standing, name: SlotName) -> String {
    let slot = standing.slot(name);
    let mut words = vec![match slot.state {
        BootState::Good => "good",
        BootState::Bad => "bad",
    }];
    words.extend((standing.booted == name).then_some("booted"));
    words.extend((standing.primary == Some(name)).then_some("primary"));
    let version = slot.version.as_ref().map_or_else(|| "version unknown".to_owned(), ToString::to_string);
    format!("slot {}: {version}, {}", name.as_str(), words.join(", "))
}

fn ordered(order: &Order) -> String {
    let how = if order.handed { "its file was downloaded" } else { "its file is being downloaded" };
    format!("{}, {how} from {}", order.what, order.url)
}

fn line_of<A: Ours>(standing: &artefact::Standing<A::Revision>) -> String {
    let name = |revision: Option<&A::Revision>| A::WORDS.name(revision);
    let trial = if standing.trial.is_some() { ", on trial" } else { "" };
    let passed_over = standing.passed_over.as_ref();
    let passed_over = passed_over.map(|over| format!(", since {} cannot be used", name(Some(&over.revision))));
    let (used, former) = (name(standing.used()), name(standing.former.as_ref()));
    format!("{used}{trial}{}; before: {former}", passed_over.unwrap_or_default())
}

fn summary(state: &State) -> String {
    let floor = state.floor.as_ref().map(|floor| format!("; nothing below {floor} is installed"));
    format!("{}{}", state.phase.as_str(), floor.unwrap_or_default())
}
