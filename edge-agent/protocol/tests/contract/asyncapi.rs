//! `asyncapi.yaml` against the topics of the code, both ways: none is missing, none is extra, each goes the right way.

use std::collections::{BTreeMap, BTreeSet};

use edge_protocol::id::{AgencyId, UnitId};
use edge_protocol::lane::Lane;
use edge_protocol::topic::Topic;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{ASYNCAPI, contract, schema};

/// What stands for each parameter in a topic of the code.
const SAMPLES: [(&str, &str); 3] = [("{agency}", "springfield"), ("{unit}", "pole-7"), ("{serial}", "SN.0042")];

/// Every topic of the code, with the samples in it.
fn topics() -> Vec<Topic> {
    let agency: AgencyId = SAMPLES[0].1.parse().unwrap();
    let unit: UnitId = SAMPLES[1].1.parse().unwrap();
    let serial = || SAMPLES[2].1.parse().unwrap();
    let up = Lane::ALL.map(|lane| Topic::Up(agency.clone(), unit.clone(), lane));
    let others = [
        Topic::Ack(agency.clone(), unit.clone()),
        Topic::Command(agency.clone(), unit.clone()),
        Topic::State(agency.clone(), unit.clone()),
        Topic::RenewRequest(agency.clone(), unit.clone()),
        Topic::RenewResponse(agency.clone(), unit.clone()),
        Topic::Hotlist(agency.clone()),
        Topic::Hold(agency.clone()),
        Topic::EnrollRequest(serial()),
        Topic::EnrollResponse(serial()),
    ];
    up.into_iter().chain(others).collect()
}

/// What a unit does with a topic. One that is added to the code does not compile here until it is in the list above
/// too.
fn action(topic: &Topic) -> &'static str {
    match topic {
        Topic::Up(..) | Topic::State(..) | Topic::RenewRequest(..) | Topic::EnrollRequest(_) => "send",
        Topic::Ack(..)
        | Topic::Command(..)
        | Topic::RenewResponse(..)
        | Topic::Hotlist(_)
        | Topic::Hold(_)
        | Topic::EnrollResponse(_) => "receive",
    }
}

fn document() -> Yaml {
    let mut documents = YamlLoader::load_from_str(ASYNCAPI).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The members of a mapping.
fn members(of: &Yaml) -> BTreeMap<&str, &Yaml> {
    let members = of.as_hash().expect("a mapping").iter();
    members.map(|(name, member)| (name.as_str().expect("a name"), member)).collect()
}

fn text<'a>(of: &'a Yaml, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("no {name} in {of:?}"))
}

/// An address with the samples in place of its parameters, which must be those that the channel describes.
fn filled(channel: &Yaml) -> String {
    let mut address = text(channel, "address").to_owned();
    let mut named = BTreeSet::new();
    for (parameter, sample) in SAMPLES {
        if address.contains(parameter) {
            named.insert(parameter.trim_matches(['{', '}']));
        }
        address = address.replace(parameter, sample);
    }
    let described: BTreeSet<&str> = members(&channel["parameters"]).into_keys().collect();
    assert_eq!(named, described, "parameters of {address}");
    address
}

#[test]
fn the_channels_are_the_topics_of_the_code() {
    let document = document();
    let addresses: Vec<String> = members(&document["channels"]).into_values().map(filled).collect();
    let stated: BTreeSet<&str> = addresses.iter().map(String::as_str).collect();
    assert_eq!(stated.len(), addresses.len(), "an address has one channel");
    let spoken: Vec<String> = topics().iter().map(Topic::to_string).collect();
    assert_eq!(stated, spoken.iter().map(String::as_str).collect());
    for address in stated {
        let topic = Topic::parse(address).unwrap_or_else(|| panic!("{address} is no topic"));
        assert_eq!(topic.to_string(), address);
    }
}

#[test]
fn every_channel_goes_the_way_that_the_code_goes_but_for_those_that_are_reserved() {
    let document = document();
    let channels = members(&document["channels"]);
    let mut left: BTreeSet<&str> = channels.keys().copied().collect();
    for (name, operation) in members(&document["operations"]) {
        let channel = text(&operation["channel"], "$ref").strip_prefix("#/channels/").expect("a channel of this file");
        assert!(left.remove(channel), "{name}: {channel} is not there, or has two operations");
        let topic = Topic::parse(&filled(channels[channel])).expect("a topic");
        assert_eq!(text(operation, "action"), action(&topic), "{name}");
    }
    left.retain(|channel| !text(channels[channel], "description").contains("Reserved"));
    assert!(left.is_empty(), "without an operation: {left:?}");
}

#[test]
fn every_reference_into_the_schema_leads_somewhere() {
    let schema = schema::schema(&contract().0);
    let mut found = 0;
    let mut open = vec![document()];
    while let Some(node) = open.pop() {
        if let Some(name) = node["$ref"].as_str().and_then(|to| to.strip_prefix("edge.schema.json#/$defs/")) {
            assert!(schema["$defs"].get(name).is_some(), "{name}");
            found += 1;
        }
        open.extend(node.as_hash().into_iter().flat_map(|members| members.values().cloned()));
        open.extend(node.as_vec().into_iter().flatten().cloned());
    }
    assert_eq!(found, ASYNCAPI.matches("edge.schema.json#").count());
}
