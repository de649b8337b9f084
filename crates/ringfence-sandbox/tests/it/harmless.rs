//! What a program that means no harm relies on.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{self, Stdio};
use std::thread;

use ringfence_model::Need;
use ringfence_sandbox::{Exit, Feature, Refused, prepare};
use rustix::event::{PollFd, PollFlags, poll};

use crate::world::{
    PLACES, PREFERRED, Place, REQUIRED, confine, hold, monitor, program, run, script, until_all_are_gone,
    until_it_says,
};

#[test]
fn input_and_output_go_through() {
    let mut cat = program("cat", &[]);
    let running = run(cat.command);
    cat.stdin.write_all(b"there and back").unwrap();
    drop(cat.stdin);
    assert_eq!(until_all_are_gone(cat.stdout), "there and back");
    assert_eq!(running.wait(), Exit::Code(0));
}

#[test]
fn the_exit_passes_through() {
    for (text, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("exit 255", Exit::Code(255)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -15 $$", Exit::Signal(15)),
    ] {
        assert_eq!(run(script(text).command).wait(), exit, "{text}");
    }
}

#[test]
fn the_environment_is_what_was_given_and_nothing_else() {
    let mut env = program("env", &[]);
    env.command.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("ONE".into(), "a=b\nc".into())];
    let running = run(env.command);
    assert_eq!(until_all_are_gone(env.stdout), "ONE=a=b\nc\nPATH=/usr/bin:/bin\n");
    assert_eq!(running.wait(), Exit::Code(0));
}

#[test]
fn a_program_is_looked_up_in_the_path_it_is_given() {
    let folder = std::env::temp_dir().join(format!("ringfence-path-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/bin/echo", folder.join("only-here")).unwrap();
    let mut found = program("only-here", &["found"]);
    found.command.env = vec![("PATH".into(), folder.clone().into())];
    let running = run(found.command);
    assert_eq!(until_all_are_gone(found.stdout), "found\n");
    assert_eq!(running.wait(), Exit::Code(0));
    let lost = hold(program("only-here", &[]).command).unwrap().release(|| true);
    assert!(matches!(lost, Err(Refused::Exec { .. })), "{lost:?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn it_starts_in_its_directory_and_session_with_its_three_streams_and_default_signals() {
    // The monitor ignores signals and has a descriptor open that a careless start would pass on.
    let monitor = process::Command::new("sh")
        .args(["-c", "trap '' INT HUP TERM PIPE; exec 9</dev/null; cd /usr; exec \"$0\" -- sh -c \"$1\""])
        .arg(confine())
        .arg("pwd; ls /proc/$$/fd; cut -d ' ' -f 5,6 /proc/$$/stat; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8(monitor.stdout).unwrap();
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("/usr"));
    for fd in 0..3 {
        assert_eq!(lines.next(), Some(format!("{fd}").as_str()));
    }
    let leads = lines.next().unwrap();
    let pid = lines.next().unwrap();
    assert_eq!(leads, format!("{pid} {pid}"), "it leads its own process group and session");
    assert_eq!(lines.next(), Some("SigBlk:\t0000000000000000"));
    assert_eq!(lines.next(), Some("SigIgn:\t0000000000000000"));
    assert_eq!(lines.next(), None);
}

#[test]
fn what_holds_it_is_said_truly() {
    for place in [Place::Here, Place::Nobody] {
        let (code, out, err) = monitor(place, &["--required"], "echo $$; ls -d /proc/[0-9]*").output();
        assert_eq!(code, Some(0), "{place:?}: {err}");
        assert!(err.contains("pid_namespace: Holds"), "{place:?}: {err}");
        // In a PID namespace of its own it is the second process, and sees one before it.
        assert!(out.starts_with("2\n"), "{place:?}: {out}");
        if err.contains("own_proc: Holds") {
            assert!(out.lines().count() <= 4, "{place:?}: it sees its keeper, itself and `ls`: {out}");
        }
    }
    let (code, _, err) = monitor(Place::NoNamespaces, &[], "true").output();
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("pid_namespace: Missing(\"the limit on namespaces is reached"), "{err}");
}

#[test]
fn required_is_refused_where_there_is_none_and_says_what_to_do() {
    let (code, out, err) = monitor(Place::NoNamespaces, &["--required"], "echo ran").output();
    assert_eq!((code, out.as_str()), (Some(125), ""), "{err}");
    assert!(err.contains("a PID namespace is required") && err.contains("user.max_user_namespaces"), "{err}");
}

#[test]
fn the_user_stays_who_it_is() {
    let (code, out, err) = monitor(Place::Nobody, &[], "id -u").output();
    assert_eq!(code, Some(0), "{err}");
    let expected =
        if rustix::process::geteuid().is_root() { 65534 } else { rustix::process::geteuid().as_raw() };
    assert_eq!(out.trim(), expected.to_string());
}

#[test]
fn a_closed_gate_means_it_never_ran() {
    for confinement in [PREFERRED, REQUIRED] {
        let never = script("echo ran");
        let held = prepare(never.command, &confinement, confine()).unwrap();
        if confinement.processes == Need::Required {
            assert_eq!(held.features().pid_namespace, Feature::Holds);
        }
        let refused = held.release(|| false);
        assert!(matches!(&refused, Err(Refused::Gate { program }) if program == "sh"), "{refused:?}");
        assert_eq!(until_all_are_gone(never.stdout), "");
    }
}

#[test]
fn a_held_command_that_is_dropped_never_ran() {
    let never = script("echo ran");
    drop(hold(never.command).unwrap());
    assert_eq!(until_all_are_gone(never.stdout), "");
}

#[test]
fn a_gate_that_panics_is_closed() {
    let never = script("echo ran");
    let held = hold(never.command).unwrap();
    let panicked = thread::spawn(move || held.release(|| panic!("the guard fell over"))).join();
    assert!(panicked.is_err());
    assert_eq!(until_all_are_gone(never.stdout), "");
}

#[test]
fn the_command_does_not_run_before_the_gate_is_asked() {
    let mark = std::env::temp_dir().join(format!("ringfence-gate-{}", process::id()));
    let touch = program("touch", &[mark.to_str().unwrap()]);
    let held = hold(touch.command).unwrap();
    let seen = mark.clone();
    let running = held.release(move || !seen.exists()).unwrap();
    assert_eq!(running.wait(), Exit::Code(0));
    assert!(mark.exists());
    fs::remove_file(mark).unwrap();
}

#[test]
fn what_cannot_be_executed_is_an_error_that_names_it() {
    for (name, says) in [
        ("/no/such/program", "No such file or directory"),
        ("no-such-program-in-path", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("/", "Permission denied"),
        ("", "No such file or directory"),
    ] {
        let script = program(name, &[]);
        let error = hold(script.command).unwrap().release(|| true).expect_err(name);
        assert!(matches!(&error, Refused::Exec { program, .. } if program == name), "{error:?}");
        assert!(error.source().unwrap().to_string().contains(says), "{name}: {:?}", error.source());
        assert_eq!(until_all_are_gone(script.stdout), "");
    }
}

#[test]
fn what_no_exec_can_take_is_an_error() {
    let mut script = program("true", &["nul\0inside"]);
    script.command.env.push(("A".into(), "b".into()));
    let refused = hold(script.command).unwrap().release(|| true);
    assert!(matches!(refused, Err(Refused::Exec { .. })), "{refused:?}");
    let long = program("true", &["x".repeat(4 << 20).as_str()]);
    let refused = hold(long.command).unwrap().release(|| true);
    assert!(matches!(refused, Err(Refused::Exec { .. })), "{refused:?}");
}

#[test]
fn many_arguments_arrive_whole() {
    let args: Vec<String> = (0..5_000).map(|n| format!("{n}-{}", "x".repeat(100))).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let echo = program("echo", &args);
    let running = run(echo.command);
    assert_eq!(until_all_are_gone(echo.stdout).trim(), args.join(" "));
    assert_eq!(running.wait(), Exit::Code(0));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_that_names_it() {
    let mut script = script("true");
    script.command.cwd = "/no/such/folder".into();
    let refused = hold(script.command);
    assert!(
        matches!(&refused, Err(Refused::Directory { path, .. }) if path.as_os_str() == "/no/such/folder"),
        "{refused:?}"
    );
}

#[test]
fn a_keeper_that_is_none_is_an_error() {
    let refused = prepare(script("true").command, &PREFERRED, "/no/such/keeper".as_ref());
    assert!(matches!(refused, Err(Refused::Keeper { .. })), "{refused:?}");
    let refused = prepare(script("true").command, &PREFERRED, "/bin/true".as_ref());
    assert!(matches!(refused, Err(Refused::KeeperFailed { .. })), "{refused:?}");
}

#[test]
fn the_pid_is_the_commands_own_as_seen_from_here() {
    let sleeper = script("echo ready; exec sleep 1000");
    let running = run(sleeper.command);
    let stdout = until_it_says("ready", sleeper.stdout);
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    assert!(stat.contains("(sleep)") || stat.contains("(sh)"), "{stat}");
    running.terminate();
    assert_eq!(running.wait(), Exit::Signal(15));
    until_all_are_gone(stdout);
}

#[test]
fn a_command_that_ends_at_once_still_has_a_pid() {
    for _ in 0..50 {
        let running = run(program("true", &[]).command);
        assert_ne!(running.pid(), 0);
        assert_eq!(running.wait(), Exit::Code(0));
    }
}

#[test]
fn it_is_killed_while_somebody_waits_and_killing_again_harms_nobody() {
    let sleeper = script("echo ready; exec sleep 1000");
    let running = run(sleeper.command);
    let stdout = until_it_says("ready", sleeper.stdout);
    let killer = running.killer();
    let waiting = thread::spawn(move || running.wait());
    killer.kill();
    assert_eq!(waiting.join().unwrap(), Exit::Killed);
    until_all_are_gone(stdout);
    killer.kill();
}

#[test]
fn its_end_can_be_polled() {
    let mut cat = program("cat", &[]);
    let running = run(cat.command);
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let ended = |limit| poll(&mut [PollFd::new(&running.as_fd(), PollFlags::IN)], limit).unwrap() == 1;
    assert!(!ended(Some(&now)));
    cat.stdin.write_all(b"x").unwrap();
    drop(cat.stdin);
    assert!(ended(None));
    assert_eq!(running.wait(), Exit::Code(0));
}

#[test]
fn what_it_left_behind_ends_with_it() {
    for place in PLACES {
        monitor(place, &[], "sleep 1000 & echo ready; read line").ends_when_ready();
    }
}
