use super::*;

#[test]
fn junit_counts_failures_and_tests_that_skip_themselves() {
    let report = r#"<?xml version="1.0"?>
<testsuites name="nextest-run" tests="4" failures="1" errors="0" uuid="x" time="1.2">
  <testsuite name="a" tests="4" disabled="0" errors="0" failures="1">
    <testcase name="holds" classname="a"><system-out>nothing skipped here</system-out></testcase>
    <testcase name="skips" classname="a">
      <system-err>skipped: chromium is not installed
</system-err></testcase>
    <testcase name="breaks" classname="a"><failure type="test failure"/><system-err>skipped: but failed later</system-err></testcase>
    <testcase name="also" classname="a"/>
  </testsuite>
</testsuites>"#;
    assert_eq!(
        Counts::from_junit(report, 3),
        Counts {
            passed: 2,
            failed: 1,
            skipped: 4
        }
    );
}

#[test]
fn an_empty_report_counts_nothing_and_is_refused() {
    let counts = Counts::from_junit("", 0);
    assert_eq!(counts, Counts::default());
    assert!(counts.verdict().is_err());
}

#[test]
fn cargo_test_lines_are_summed() {
    let output = "\
running 2 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
---- skips stdout ----
skipped: haproxy is not installed
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";
    assert_eq!(
        Counts::from_cargo_test(output),
        Counts {
            passed: 4,
            failed: 2,
            skipped: 2
        }
    );
}

#[test]
fn the_line_reads_as_promised() {
    let counts = Counts {
        passed: 12,
        failed: 0,
        skipped: 3,
    };
    assert_eq!(counts.to_string(), "12 passed, 0 failed, 3 skipped");
    assert!(counts.verdict().is_ok());
    assert!(
        Counts {
            failed: 1,
            ..counts
        }
        .verdict()
        .is_err()
    );
}

#[test]
fn a_skip_needs_its_own_line_and_a_reason() {
    assert_eq!(skip_reason("  skipped: no nginx"), Some("no nginx"));
    assert_eq!(
        skip_reason("<system-err>skipped: no nginx"),
        Some("no nginx")
    );
    assert_eq!(skip_reason("three were skipped: no nginx"), None);
    assert_eq!(skip_reason("skipped: "), None);
}
