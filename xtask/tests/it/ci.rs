use xtask::ci::{STEPS, TestCounts};

#[test]
fn summaries_of_test_binaries_add_up() {
    let mut counts = TestCounts::default();
    for line in [
        "running 3 tests",
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        "test a ... ok",
        "test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s",
    ] {
        counts.read(line);
    }
    assert_eq!(counts, TestCounts { binaries: 2, passed: 4, failed: 2, ignored: 1, failed_runs: 0 });
    assert_eq!(counts.summary(), "test result: FAILED. 4 passed; 2 failed; 1 ignored; over 2 test binaries");
}

#[test]
fn no_test_is_no_success() {
    assert!(TestCounts::default().summary().starts_with("test result: FAILED"));
}

#[test]
fn a_test_binary_that_dies_is_no_success() {
    let passed = TestCounts { binaries: 1, passed: 9, ..TestCounts::default() };
    assert!(passed.summary().starts_with("test result: ok"));
    let died = TestCounts { failed_runs: 1, ..passed };
    assert!(died.summary().starts_with("test result: FAILED"));
}

#[test]
fn steps_have_names_of_their_own() {
    let mut names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), STEPS.len());
}
