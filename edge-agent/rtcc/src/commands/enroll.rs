//! `rtcc enroll`: who may enrol, who does, and who is out.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use edge_protocol::enrolment::{Serial, SetupCode};
use edge_protocol::id::UnitId;
use jiff::tz::TimeZone;
use rtcc::show::text::terminal;
use rtcc::show::time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::center::{Center, CenterArguments};

/// How long the broker may take to end a revoked unit's session before that is said to have failed.
const PATIENCE_LOOKS: u32 = 120;
const LOOK: Duration = Duration::from_millis(500);

/// Enrol units: expect a serial number, see who asks, approve or refuse, revoke.
///
/// The way of a unit: `expect` it with the setup code of its label; the technician starts `edge-agent enroll` on the
/// unit; it shows in `list`; `approve` it. Everything else that asks is refused by itself, with an alarm in `rtcc watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc enroll expect --serial SN42 --unit gate-1 --place 'Main St / 3rd Ave'
                     asks for the setup code
  rtcc enroll list
  rtcc enroll approve --serial SN42
  rtcc enroll refuse --serial SN42 --why 'wrong pole'
  rtcc enroll revoke --unit gate-1 --why stolen")]
pub(crate) struct Enroll {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    center: CenterArguments,
    /// Your name for the audit table, where the center does not know you by your certificate [default: $USER].
    #[arg(long, global = true, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Let a serial number enrol once, for half an hour.
    #[command(after_help = "Examples:
  rtcc enroll expect --serial SN42 --unit gate-1    asks for the setup code
  rtcc enroll expect --serial SN42 --unit gate-1 --minutes 600 < code.txt

The setup code stands on the unit's label. It does not leave this program: the center gets a \
key made from it.")]
    Expect {
        /// The serial number on the label.
        #[arg(long)]
        serial: Serial,
        /// What the unit will be called: a-z, 0-9 and '-', at most 32.
        #[arg(long, value_name = "NAME")]
        unit: UnitId,
        /// Where it hangs, in your words.
        #[arg(long, default_value = "")]
        place: String,
        /// For how many minutes.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: u32,
        /// The setup code on the label; asked for where it is not given. Others on this machine may see arguments.
        #[arg(long)]
        code: Option<SetupCode>,
    },
    /// Who is expected, who waits, and what was decided.
    #[command(after_help = "Examples:\n  rtcc enroll list\n  rtcc enroll list --json | jq .requests")]
    List {
        /// Everything, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a waiting unit its certificate.
    #[command(after_help = "Example:\n  rtcc enroll approve --serial SN42")]
    Approve {
        /// The serial number that waits.
        #[arg(long)]
        serial: Serial,
    },
    /// Send a waiting unit away.
    #[command(after_help = "Example:\n  rtcc enroll refuse --serial SN42 --why 'wrong pole'")]
    Refuse {
        /// The serial number that waits.
        #[arg(long)]
        serial: Serial,
        /// Why, for the audit table.
        #[arg(long)]
        why: String,
    },
    /// End a unit's session and let it in no more.
    #[command(after_help = "Example:\n  rtcc enroll revoke --unit gate-1 --why stolen

Ends with 0 once the broker has said that the session is over.")]
    Revoke {
        /// The unit.
        #[arg(long, value_name = "NAME")]
        unit: UnitId,
        /// Why, for the audit table.
        #[arg(long)]
        why: String,
    },
}

impl Enroll {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let center = self.center.open()?;
        let by = self.by.or_else(|| std::env::var("USER").ok()).unwrap_or_default();
        match self.what {
            What::Expect { serial, unit, place, minutes, code } => {
                let code = code.map_or_else(ask_for_code, Ok)?;
                let key = hex::encode(code.proof_key(&serial).as_bytes());
                let asked = json!({
                    "serial": serial, "unit": unit, "place": place, "proof_key": key, "minutes": minutes, "by": by
                });
                center.decide("/api/enrolments/expect", &asked)?;
                say(&format!("{serial} may enrol as {unit} within {minutes} minutes"))
            }
            What::List { json } => list(&center, json),
            What::Approve { serial } => {
                center.decide("/api/enrolments/approve", &json!({ "serial": serial, "by": by }))?;
                say(&format!("{serial} is enrolled"))
            }
            What::Refuse { serial, why } => {
                let asked = json!({ "serial": serial, "why": why, "by": by });
                center.decide("/api/enrolments/refuse", &asked)?;
                say(&format!("{serial} was sent away"))
            }
            What::Revoke { unit, why } => {
                let asked = json!({ "unit": unit, "why": why, "by": by });
                center.decide("/api/enrolments/revoke", &asked)?;
                wait_for_the_broker(&center, &unit)
            }
        }
    }
}

fn ask_for_code() -> anyhow::Result<SetupCode> {
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "setup code on the label: ")?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("no setup code")?;
    Ok(line.parse()?)
}

#[derive(Debug, Deserialize)]
struct Overview {
    expected: Vec<Value>,
    requests: Vec<Value>,
    certificates: Vec<Value>,
    revocations: Vec<Revocation>,
}

#[derive(Debug, Deserialize)]
struct Revocation {
    unit: String,
    confirmed_us: Option<i64>,
    trouble: Option<String>,
}

fn list(center: &Center, json: bool) -> anyhow::Result<()> {
    if json {
        let all: Value = center.get("/api/enrolments", &[])?;
        return say(&all.to_string());
    }
    let overview: Overview = center.get("/api/enrolments", &[])?;
    let lines = lines(&overview, &TimeZone::system());
    if lines.is_empty() {
        return say("nobody is expected, and nobody has asked");
    }
    say(&lines.join("\n"))
}

/// Who is expected, who has asked, and who has a certificate, a line each.
fn lines(Overview { expected, requests, certificates, .. }: &Overview, zone: &TimeZone) -> Vec<String> {
    let text = |value: &Value, name: &str| terminal(value[name].as_str().unwrap_or_default());
    let at = |value: &Value, name: &str| value[name].as_i64().map(|at| time::full(at, zone)).unwrap_or_default();
    let expected = expected.iter().map(|each| {
        let locked = if each["locked_until_us"].is_null() { "" } else { ", locked after wrong setup codes" };
        let (serial, unit, place) = (text(each, "serial"), text(each, "unit"), text(each, "place"));
        let line = format!("expected  {serial:<12} as {unit:<12} until {}  {place}{locked}", at(each, "until_us"));
        line.trim_end().to_owned()
    });
    let requests = requests.iter().map(|each| {
        let code = if each["code_ok"] == true { "code ok" } else { "code WRONG" };
        let (state, serial, unit) = (text(each, "state"), text(each, "serial"), text(each, "unit"));
        let (place, reason) = (text(each, "place"), text(each, "reason"));
        let line = format!("{state:<9} {serial:<12} as {unit:<12} {}  {code}  {place}  {reason}", at(each, "asked_us"));
        line.trim_end().to_owned()
    });
    let certificates = certificates.iter().filter(|each| each["revoked_us"].is_null()).map(|each| {
        let (unit, serial, number) = (text(each, "unit"), text(each, "serial"), text(each, "number"));
        format!("enrolled  {serial:<12} as {unit:<12} until {}  certificate {number}", at(each, "until_us"))
    });
    expected.chain(requests).chain(certificates).collect()
}

/// Revoked is revoked; whether the session has ended is the broker's to say.
fn wait_for_the_broker(center: &Center, unit: &UnitId) -> anyhow::Result<()> {
    for _ in 0..PATIENCE_LOOKS {
        let Overview { revocations, .. } = center.get("/api/enrolments", &[])?;
        match revocations.iter().find(|revocation| revocation.unit == unit.as_str()) {
            Some(Revocation { confirmed_us: Some(_), .. }) => {
                return say(&format!("{unit} is revoked, and the broker has ended its session"));
            }
            Some(Revocation { trouble: Some(trouble), .. }) => {
                bail!("{unit} is revoked, but the broker did not end its session: {}", terminal(trouble));
            }
            Some(Revocation { .. }) | None => std::thread::sleep(LOOK),
        }
    }
    bail!(
        "{unit} is revoked, but the broker has not said within a minute that its session is over: has it the \
         dynamic-security plugin? Otherwise start the broker again"
    )
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_the_list_has_its_day_and_its_offset() {
        let at_us = 1_795_219_200_000_000_i64;
        let overview: Overview = serde_json::from_value(json!({
            "expected": [{ "serial": "SN42", "unit": "gate-1", "place": "Main St", "until_us": at_us }],
            "requests": [{ "serial": "SN42", "unit": "gate-1", "state": "refused", "asked_us": at_us, "code_ok": false }],
            "certificates": [{ "serial": "SN7", "unit": "gate-7", "number": "0a", "until_us": at_us }],
            "revocations": [],
        }))
        .unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let lines = lines(&overview, &zone);
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert!(line.contains(" 2026-11-20 16:00:00.000 -08:00  "), "{line}");
        }
    }
}
