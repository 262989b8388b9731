//! Cuts a failing history down to what is needed to fail.

use std::fmt::Write as _;
use std::time::Instant;

use crate::steps::Step;

/// Leaves out steps, then commands, as long as it still fails and there is time; what is left, as commands, and how it
/// fails.
pub(crate) fn shrink(
    steps: &[Step],
    limit: Instant,
    mut fails: impl FnMut(&[Step]) -> Option<String>,
) -> String {
    let mut steps = steps.to_vec();
    let mut how = fails(&steps);
    if how.is_none() {
        return format!("{}\nplayed again it does not fail", shown(&steps));
    }
    let mut size = steps.len() / 2;
    while size > 0 && Instant::now() < limit {
        let mut at = 0;
        while at < steps.len() && Instant::now() < limit {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match fails(&fewer) {
                Some(now) => (steps, how) = (fewer, Some(now)),
                None => at += size,
            }
        }
        size /= 2;
    }
    for at in 0..steps.len() {
        let mut size = steps[at].commands().len().div_ceil(2);
        while size > 0 {
            let mut position = 0;
            while Instant::now() < limit && position < steps[at].commands().len() {
                let mut fewer = steps.clone();
                let commands = fewer[at].commands_mut();
                commands.drain(position..(position + size).min(commands.len()));
                match fails(&fewer) {
                    Some(now) => (steps, how) = (fewer, Some(now)),
                    None => position += size,
                }
            }
            size /= 2;
        }
    }
    format!("{}\n{}", shown(&steps), how.unwrap_or_default())
}

fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        writeln!(text, "{step}").unwrap();
    }
    text
}
