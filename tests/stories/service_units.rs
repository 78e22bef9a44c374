//! The units: systemd understands every line of them, and each service opens no more than it must.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The largest exposure that `systemd-analyze security` may find, in tenths.
const MOST_EXPOSURE_TENTHS: &str = "15";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// The names of all units with one of these endings.
fn names(endings: &[&str]) -> Vec<String> {
    let files = std::fs::read_dir(units()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| endings.iter().any(|ending| name.ends_with(ending))).collect();
    names.sort();
    names
}

/// Runs systemd-analyze, or says why it cannot.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: systemd-analyze cannot be run: {error}");
            None
        }
    }
}

/// A folder with all units, their programs replaced by one that exists on this machine, and one unit changed.
fn folder_with(changed: &str, change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names(&[".service", ".socket", ".mount", ".path", ".timer"]) {
        let mut text = std::fs::read_to_string(units().join(&name)).unwrap();
        if name == changed {
            text = change(&text);
        }
        let runnable = text.lines().map(|line| match line.split_once("=/usr/") {
            Some((key, _)) if key.starts_with("ExecStart") => format!("{key}=/bin/true\n"),
            _ => format!("{line}\n"),
        });
        std::fs::write(folder.path().join(&name), runnable.collect::<String>()).unwrap();
    }
    folder
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Shows the line with the count, for who writes the numbers down.
fn tell_exposure(output: &Output) {
    said(output).lines().filter(|line| line.contains("Overall exposure")).for_each(|line| println!("{line}"));
}

#[test]
fn systemd_has_nothing_to_say_about_any_unit() {
    let folder = folder_with("", str::to_owned);
    let all = names(&[".service", ".socket", ".mount", ".path", ".timer"]);
    assert!(all.len() >= 11, "units are missing: {all:?}");
    for name in all {
        let Some(output) = analyze(&["verify"], &folder.path().join(&name)) else { return };
        assert!(output.status.success() && said(&output).is_empty(), "{name}: {}", said(&output));
    }
}

#[test]
fn a_wrong_line_would_be_noticed() {
    let folder = folder_with("edge-agent.service", |text| text.replace("Type=notify", "Type=notfy"));
    let Some(output) = analyze(&["verify"], &folder.path().join("edge-agent.service")) else { return };
    assert!(!output.stderr.is_empty(), "systemd-analyze reports mistakes with exit 0, so its words are what counts");
}

#[test]
fn the_exposure_of_every_service_stays_within_bounds() {
    let folder = folder_with("", str::to_owned);
    let threshold = format!("--threshold={MOST_EXPOSURE_TENTHS}");
    for name in names(&[".service"]) {
        let arguments = ["security", "--offline=true", &threshold];
        let Some(output) = analyze(&arguments, &folder.path().join(&name)) else { return };
        assert!(output.status.success(), "{name}: {}", said(&output));
        tell_exposure(&output);
    }
}

/// Drop-ins give the agent what the technician's page, the board's parts and a TPM need, and whatever else signs the
/// TPM.
#[test]
fn page_board_and_token_open_the_agent_no_further_than_the_bounds() {
    let threshold = format!("--threshold={MOST_EXPOSURE_TENTHS}");
    for (unit, drop_ins) in [
        ("edge-agent.service", [".page.conf", ".board.conf", ".token.conf"].as_slice()),
        ("edge-update.service", &[".token.conf"]),
        ("edge-mark-good.service", &[".token.conf"]),
    ] {
        let drop_ins = names(drop_ins).into_iter();
        let drop_ins = drop_ins.map(|name| std::fs::read_to_string(units().join(name)).unwrap());
        let drop_ins = drop_ins.collect::<Vec<_>>().join("\n");
        let folder = folder_with(unit, |text| format!("{text}\n{drop_ins}"));
        for arguments in [["verify"].as_slice(), &["security", "--offline=true", &threshold]] {
            let Some(output) = analyze(arguments, &folder.path().join(unit)) else { return };
            assert!(output.status.success(), "{}", said(&output));
            assert!(arguments != ["verify"] || said(&output).is_empty(), "{}", said(&output));
            tell_exposure(&output);
        }
    }
}

#[test]
fn an_opening_would_be_noticed_in_every_service() {
    let threshold = format!("--threshold={MOST_EXPOSURE_TENTHS}");
    let arguments = ["security", "--offline=true", &threshold];
    let shut = |line: &str| line.starts_with("SystemCallFilter=") || line == "ProtectSystem=strict";
    for name in names(&[".service"]) {
        let folder =
            folder_with(&name, |text| text.lines().filter(|line| !shut(line)).flat_map(|line| [line, "\n"]).collect());
        let Some(output) = analyze(&arguments, &folder.path().join(&name)) else { return };
        assert!(!output.status.success(), "{name}: openings would go unnoticed");
    }
}

/// Settings that let a service do something; whatever opens more than nothing has its reason on the line before.
#[test]
fn every_opening_says_why() {
    let shut = |key: &str, value: &str| match key {
        "CapabilityBoundingSet" | "AmbientCapabilities" => value.is_empty(),
        "PrivateDevices" | "PrivateNetwork" | "PrivateUsers" => value == "yes",
        "RestrictAddressFamilies" | "ReadWritePaths" | "SupplementaryGroups" | "IPAddressAllow" | "DeviceAllow" => {
            false
        }
        _ => true,
    };
    let words = |line: &str| line.starts_with('#') && line.split_whitespace().count() >= 4;
    for name in names(&[".service", ".page.conf", ".board.conf", ".token.conf"]) {
        let text = std::fs::read_to_string(units().join(&name)).unwrap();
        let mut explained = false;
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                explained = words(line) || (explained && line.starts_with('#'));
                continue;
            };
            assert!(explained || shut(key, value), "{name}: {line}: nothing says why this is opened");
            // A reason covers the openings that follow it without a gap.
            explained = explained && !shut(key, value);
        }
    }
}

/// Whoever requires the folder for data finds it mounted, unlocked or not (`locked_storage`), and nothing on the way
/// there waits for somebody to type.
#[test]
fn the_data_s_folder_is_mounted_whatever_becomes_of_the_partition() {
    let file = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let mount = file("var-lib-edge\\x2dagent.mount");
    // A device's name would make the mount wait for a device that never comes.
    for line in ["What=data", "Type=edge-data", "Where=/var/lib/edge-agent", "WantedBy=multi-user.target"] {
        assert!(mount.lines().any(|found| found == line), "no {line}");
    }
    let options = mount.lines().find_map(|line| line.strip_prefix("Options=")).unwrap();
    assert!(options.split(',').any(|option| option == "nofail"), "all of the boot would wait: {options}");
    let after = mount.lines().find(|line| line.starts_with("After=")).unwrap();
    assert!(after.split_whitespace().any(|unit| unit == "systemd-cryptsetup@data.service"), "{after}");
    let unlock = file("crypttab");
    let options = unlock.lines().find_map(|line| line.strip_prefix("data ")?.split_whitespace().nth(2)).unwrap();
    for option in ["nofail", "headless=true"] {
        assert!(options.split(',').any(|found| found == option), "{options}");
    }
}

/// Without a whole key the partition is neither made nor opened: both of systemd's programs take an empty one too.
#[test]
fn an_empty_key_reaches_nobody() {
    let file = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let hand = "/usr/libexec/edge-agent/edge-data-key hand /run/edge-data-key.socket";
    let (repart, open) = (file("repart-with-key.conf"), file("cryptsetup-with-key.conf"));
    let started: Vec<&str> = repart.lines().filter(|line| line.starts_with("Exec")).collect();
    let program = format!("ExecStart={hand} /usr/bin/systemd-repart --dry-run=no --key-file=/dev/stdin");
    assert_eq!(started, ["ExecStart=", &program], "the partition is made by nothing else");
    assert!(open.contains(&format!("\nExecStartPre={hand} /bin/true\n")), "{open}");
    let recipe = "../yocto/meta-edge-agent/recipes-core/edge-system/edge-system_0.1.0.bb";
    let recipe = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(recipe)).unwrap();
    for (text, source, unit) in [
        (&repart, "repart-with-key.conf", "systemd-repart.service"),
        (&open, "cryptsetup-with-key.conf", "systemd-cryptsetup@data.service"),
    ] {
        let installed = format!("/systemd/{source} \\\n        ${{D}}${{systemd_system_unitdir}}/{unit}.d/50-key.conf");
        assert!(recipe.contains(&installed), "the image has no {source}");
        // systemd reads it as part of its unit.
        let folder = folder_with("", str::to_owned);
        let text = text.replace(hand, "/bin/true");
        let path = folder.path().join(unit);
        std::fs::write(&path, format!("[Service]\nType=oneshot\nExecStart=/bin/true\n{text}")).unwrap();
        let Some(output) = analyze(&["verify"], &path) else { return };
        assert!(output.status.success() && said(&output).is_empty(), "{source}: {}", said(&output));
    }
}

/// Two that ask at once both get the key, and a chip that hangs keeps nobody waiting.
#[test]
fn whoever_asks_for_the_key_is_answered_in_time() {
    let file = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let has = |text: &str, line: &str| assert!(text.lines().any(|found| found == line), "no {line}");
    has(&file("edge-data-key.socket"), "MaxConnections=8");
    // A service without a type has started as soon as it is forked: a bound on its start would bound nothing.
    has(&file("edge-data-key@.service"), "RuntimeMaxSec=20");
    let open = file("cryptsetup-with-key.conf");
    // systemd-repart asks at every boot.
    has(&open, "After=edge-data-key.socket systemd-repart.service");
    has(&open, "Wants=edge-data-key.socket");
}

/// What starts an ordered update, and goes on with it after a boot.
#[test]
fn an_order_is_looked_for_where_the_agent_leaves_it() {
    let unit = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let (path, service) = (unit("edge-update.path"), unit("edge-update.service"));
    for (text, line) in [
        (&path, "PathExists=/var/lib/edge-agent/update/order"),
        (&path, "Unit=edge-update.service"),
        (&path, "WantedBy=multi-user.target"),
        (&service, "ExecStart=/usr/bin/edge-agent update carry-out"),
        (&service, "Restart=on-failure"),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
}

/// RAUC's own policy lets every account have bundles installed. Of two rules the later one holds, and the bus reads
/// /etc after /usr/share.
#[test]
fn rauc_listens_to_root_and_the_agent_alone() {
    let policy = std::fs::read_to_string(units().join("de.pengutronix.rauc.edge.conf")).unwrap();
    let of = |whom: &str| {
        let begin = policy.find(&format!("<policy {whom}>")).unwrap_or_else(|| panic!("nothing for {whom}"));
        policy.split_at(begin).1.split_once("</policy>").unwrap().0.to_owned()
    };
    let to_rauc = "send_destination=\"de.pengutronix.rauc\"/>";
    assert!(of("context=\"default\"").contains(&format!("<deny {to_rauc}")));
    for user in ["user=\"root\"", "user=\"edge\""] {
        assert!(of(user).contains(&format!("<allow {to_rauc}")), "{user}");
    }
    let recipe = units().join("../yocto/meta-edge-agent/recipes-core/edge-agent/edge-agent_0.1.0.bb");
    let place = "${D}${sysconfdir}/dbus-1/system.d/de.pengutronix.rauc.edge.conf";
    assert!(std::fs::read_to_string(recipe).unwrap().contains(place));
}

/// What begins before the boot's basic.target keeps everything waiting, and the data's partition may never come.
#[test]
fn the_boot_waits_for_the_data_nowhere() {
    let unit = std::fs::read_to_string(units().join("edge-update.path")).unwrap();
    let has = |line: &str| unit.lines().any(|found| found == line);
    assert!(has("DefaultDependencies=no"), "paths.target waits for the folder that is looked into");
    assert!(has("After=sysinit.target") && has("Conflicts=shutdown.target") && has("Before=shutdown.target"));
}

/// A clock that runs free is no failed service: an ordinary unit without time servers would have one for ever.
#[test]
fn a_clock_that_runs_free_is_a_condition_that_does_not_hold() {
    let unit = std::fs::read_to_string(units().join("edge-clock.service")).unwrap();
    assert!(unit.lines().any(|line| line.starts_with("ExecCondition=/usr/bin/chronyc ")));
    assert!(unit.lines().any(|line| line == "ExecStart=/usr/bin/touch /run/edge-clock/synchronized"));
}

/// A node that the rules leave to root, or to a group that the agent is not in, is none to the agent.
#[test]
fn the_board_s_nodes_are_the_groups_that_the_agent_is_in() {
    let file = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let (rules, accounts) = (file("70-edge-board.rules"), file("edge-agent.sysusers.conf"));
    let unit = file("edge-agent.service") + &file("edge-agent.board.conf");
    let groups = unit.lines().filter_map(|line| line.strip_prefix("SupplementaryGroups="));
    let groups: Vec<&str> = groups.flat_map(str::split_whitespace).collect();
    for (subsystem, nodes, group, allowed) in [
        ("gpio", "gpiochip[0-9]*", "gpio", "DeviceAllow=char-gpiochip rw"),
        ("i2c-dev", "i2c-[0-9]*", "i2c", "DeviceAllow=char-i2c rw"),
    ] {
        let rule = format!("SUBSYSTEM==\"{subsystem}\", KERNEL==\"{nodes}\", GROUP=\"{group}\", MODE=\"0660\"");
        for (text, line) in [(&rules, rule), (&accounts, format!("g {group} - -")), (&unit, allowed.to_owned())] {
            assert!(text.lines().any(|found| found == line), "no {line}");
        }
        assert!(groups.contains(&group), "the agent is not in {group}");
    }
    let board = file("edge-agent.board.conf");
    let lines: Vec<&str> = board.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains('=') && !pair[1].starts_with('#')) {
        assert!(pair[0].starts_with("# "), "{}: has no reason of its own", pair[1]);
    }
}

/// The agent and its update start with whom they may talk to, whatever came of finding it out.
#[test]
fn the_networks_of_the_site_are_said_before_anybody_talks_to_them() {
    let unit = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let has = |text: &str, line: &str| text.lines().any(|found| found == line);
    for name in ["edge-agent.service", "edge-update.service"] {
        let text = unit(name);
        for line in ["Wants=edge-site.service", "IPAddressDeny=any", "IPAddressAllow=localhost"] {
            assert!(has(&text, line), "{name} has no {line}");
        }
        let waits = |line: &str| line.starts_with("After=") && line.ends_with(" edge-site.service");
        assert!(text.lines().any(waits), "{name} does not wait");
    }
    let site = unit("edge-site.service");
    let program = "ExecStart=/usr/libexec/edge-agent/edge-site /etc/edge-agent/edge-agent.toml";
    for line in [program, "Type=oneshot", "StartLimitIntervalSec=0"] {
        assert!(has(&site, line), "edge-site.service has no {line}");
    }
    // Each start of the agent starts it again, which one that remains active would not see.
    assert!(!site.contains("RemainAfterExit"), "a configuration that changed would go unnoticed");
}

/// What asks the drives, and asks again before the agent ceases to believe the answer (`app::doctor::smart`).
#[test]
fn the_drives_are_asked_how_worn_they_are_and_the_agent_finds_the_answer() {
    let unit = |name: &str| std::fs::read_to_string(units().join(name)).unwrap();
    let (timer, service) = (unit("edge-wear.timer"), unit("edge-wear.service"));
    for (text, line) in [
        (&timer, "OnUnitInactiveSec=15min"),
        // A note of before the clock was set is of another time.
        (&timer, "OnClockChange=yes"),
        (&timer, "Unit=edge-wear.service"),
        (&timer, "WantedBy=timers.target"),
        (&service, "ExecStart=/usr/libexec/edge-agent/edge-wear /run/edge-wear"),
        (&service, "RuntimeDirectory=edge-wear"),
        (&service, "RuntimeDirectoryMode=0755"),
        (&service, "RuntimeDirectoryPreserve=yes"),
        (&service, "UMask=0022"),
        (&service, "DeviceAllow=char-nvme r"),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line}");
    }
}

/// With a stand-in for nvme-cli, whose own words are in `app/doctor/smart/emulated.json`.
#[test]
fn a_note_is_left_of_each_drive_that_answers_and_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["dev", "notes", "bin"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    let nvme = "#!/bin/sh\n[ \"$1 $2\" = 'smart-log --output-format=json' ] || exit 64\n\
                case $3 in */nvme1) echo '{\"critical'; exit 1 ;; *) echo \"{$3}\" ;; esac\n";
    std::fs::write(at("bin/nvme"), nvme).unwrap();
    std::fs::set_permissions(at("bin/nvme"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", at("bin").display());
    let look = || {
        let mut command = Command::new(units().join("edge-wear"));
        let ended = command.arg(at("notes")).arg(at("dev")).env("PATH", &path).output().unwrap();
        let files = std::fs::read_dir(at("notes")).unwrap();
        let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        (ended.status.code(), files)
    };
    assert_eq!(look(), (Some(0), Vec::new()), "a board without such a drive");
    for name in ["nvme0", "nvme1", "nvme12", "nvme0n1", "nvme0n1p4"] {
        std::os::unix::fs::symlink("/dev/null", at("dev").join(name)).unwrap();
    }
    std::fs::write(at("notes/nvme1.json"), "what it said before").unwrap();
    assert_eq!(look(), (Some(1), vec!["nvme0.json".to_owned(), "nvme12.json".to_owned()]));
    let note = std::fs::read_to_string(at("notes/nvme0.json")).unwrap();
    assert_eq!(note, format!("{{{}}}\n", at("dev/nvme0").display()));
}

/// FIELD's chain: hardware watchdog, PID 1, the agent; and an end to restarting what does not start.
#[test]
fn restarts_end_in_a_reboot_and_a_reboot_may_fall_back() {
    let text = std::fs::read_to_string(units().join("edge-agent.service")).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=20",
        "Restart=always",
        "RestartSec=2",
        // What the agent ends with where its configuration cannot be used, see `tests/stories/safe_mode.rs`.
        "RestartPreventExitStatus=78",
        // Either is enough, so that a configuration that is gone gives way to the last good one.
        "ConditionPathExists=|/etc/edge-agent/edge-agent.toml",
        "ConditionPathExists=|/var/lib/edge-agent/last-good.toml",
        "StartLimitIntervalSec=600",
        "StartLimitBurst=8",
        "StartLimitAction=reboot",
    ] {
        assert!(text.lines().any(|found| found == line), "edge-agent.service has no {line}");
    }
    let good = std::fs::read_to_string(units().join("edge-mark-good.service")).unwrap();
    // Not bound to the agent: one that does not start has to be given up too.
    assert!(!good.contains("edge-agent.service"), "edge-mark-good.service waits for the agent");
    for line in ["ExecStart=/usr/bin/edge-agent update confirm", "Restart=on-failure", "WantedBy=multi-user.target"] {
        assert!(good.lines().any(|found| found == line), "edge-mark-good.service has no {line}");
    }
}
