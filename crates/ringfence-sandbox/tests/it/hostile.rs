//! What a program tries that does not want to end. Each is run in every place a monitor can
//! find itself in, against every way a tree is told to end.

use std::fs;

use ringfence_sandbox::Exit;

use crate::world::{PLACES, Place, monitor, run, script, until_all_are_gone, until_it_says};

/// Scripts that say `ready` once what they do is under way.
const SCRIPTS: [(&str, &str); 6] = [
    ("a child", "sleep 1000 & echo ready; read line"),
    (
        "a daemon: forked twice, with a session of its own, deaf to signals",
        "(setsid sh -c 'trap \"\" TERM HUP INT QUIT; echo ready; while :; do sleep 1000; done' &); read line",
    ),
    ("deaf itself", "trap '' TERM HUP INT QUIT; echo ready; read line; exit 0"),
    (
        "two hundred daemons",
        "n=0; while [ $n -lt 200 ]; do (setsid sleep 1000 &); n=$((n+1)); done; echo ready; read line",
    ),
    (
        "a runner: it forks a successor and exits, for ever",
        "export RUN='sh -c \"$RUN\" & exit'; (setsid sh -c \"$RUN\" &); (setsid sh -c \"$RUN\" &); echo ready; read line",
    ),
    (
        "a bomb of two generators",
        "export GROW='while :; do (setsid sleep 1000 &); done'; (setsid sh -c \"$GROW\" &); (sh -c \"$GROW\" &); echo ready; read line",
    ),
];

#[test]
fn nothing_is_left_when_the_command_ends() {
    for place in PLACES {
        for (what, text) in SCRIPTS {
            eprintln!("{place:?}: {what}");
            monitor(place, &[], text).ends_when_ready();
        }
    }
}

#[test]
fn nothing_is_left_when_the_monitor_is_killed() {
    for place in PLACES {
        for (what, text) in SCRIPTS {
            eprintln!("{place:?}: {what}");
            monitor(place, &[], text).dies_when_ready();
        }
    }
}

#[test]
fn nothing_is_left_when_it_is_killed() {
    for (what, text) in SCRIPTS {
        eprintln!("{what}");
        let script = script(text);
        let running = run(script.command);
        let stdout = until_it_says("ready", script.stdout);
        running.kill();
        assert_eq!(running.wait(), Exit::Killed, "{what}");
        until_all_are_gone(stdout);
    }
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    for (what, text) in SCRIPTS {
        eprintln!("{what}");
        let script = script(text);
        let running = run(script.command);
        let stdout = until_it_says("ready", script.stdout);
        drop(running);
        until_all_are_gone(stdout);
    }
}

#[test]
fn nothing_is_left_when_the_keeper_alone_is_killed() {
    for place in [Place::Here, Place::Nobody] {
        for (what, text) in SCRIPTS {
            eprintln!("{place:?}: {what}");
            let mut monitor = monitor(place, &[], text);
            let stdout = until_it_says("ready", monitor.process.stdout.take().unwrap());
            let keeper = only_child_of(monitor.process.id());
            rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
            until_all_are_gone(stdout);
            // 128: killed. 125: killed before the monitor had taken note of the start.
            let code = monitor.process.wait().unwrap().code();
            assert!(matches!(code, Some(125 | 128)), "{code:?}");
        }
    }
}

#[test]
fn its_keeper_is_out_of_its_reach() {
    for place in [Place::Here, Place::Nobody] {
        let text = "kill -9 1; kill -STOP 1; kill -TERM 1; kill -HUP 1; kill -9 $PPID; kill -9 -1; exit 5";
        let (code, _, err) = monitor(place, &["--required"], text).output();
        assert_eq!(code, Some(5), "{place:?}: {err}");
    }
    let text =
        "for what in mem fd environ; do ls /proc/1/$what/ || cat /proc/1/$what; done 2>/dev/null; exit 6";
    let (code, out, err) = monitor(Place::Nobody, &["--required"], text).output();
    assert_eq!((code, out.as_str()), (Some(6), ""), "{err}");
}

#[test]
fn without_a_namespace_a_descendant_cannot_raise_itself_out_of_reach() {
    let (code, out, err) = monitor(Place::NoNamespaces, &[], "grep NoNewPrivs /proc/self/status").output();
    assert_eq!((code, out.as_str()), (Some(0), "NoNewPrivs:\t1\n"), "{err}");
}

fn only_child_of(parent: u32) -> rustix::process::Pid {
    let children: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit(") ").next().unwrap_or_default();
            after_name.split(' ').nth(1) == Some(&parent.to_string())
        })
        .collect();
    assert_eq!(children.len(), 1, "{children:?}");
    rustix::process::Pid::from_raw(children[0]).expect("a pid")
}
