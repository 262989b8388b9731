//! From values to the type.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::{
    Problem,
    shape::Shape,
    tree::{Node, Path, Step},
};

/// Reads `given` into the type, without the values at `out`, which were found to be wrong already.
///
/// What the type itself refuses (an address that is none) becomes a problem; that value is left out as well and the
/// rest read again, so that one error does not hide the next. Nothing comes back if anything was wrong.
pub(super) fn read<T: DeserializeOwned>(
    mut given: Node,
    mut out: Vec<Path>,
    shape: &Shape,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut whole = out.is_empty();
    for path in &out {
        given.remove(&path.0);
    }
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(given.to_json()) {
            Ok(config) => return whole.then_some(config),
            Err(error) => error,
        };
        whole = false;
        let steps = error.path().iter().map_while(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            _ => None,
        });
        let path = given.path_of_json(steps);
        // A table that misses what was left out of it, or a list that is shorter now, is no news.
        if !out.iter().any(|out| out.0.starts_with(&path.0)) {
            problems.push(problem(&given, &path, shape, &error.inner().to_string()));
        }
        if !given.remove(&path.0) {
            return None;
        }
        out.push(path);
    }
}

fn problem(given: &Node, path: &Path, shape: &Shape, wrong: &str) -> Problem {
    let field = path.0.iter().try_fold(shape, |shape, step| match step {
        Step::Key(key) => shape.field(key),
        Step::Index(_) => shape.list(),
    });
    let default = field
        .and_then(|field| field.default.as_ref())
        .filter(|default| !default.is_object());
    let (wrong, right) = match (wrong, default) {
        // The standard library's words for it.
        ("invalid socket address syntax", default) => {
            let like = default
                .and_then(serde_json::Value::as_str)
                .unwrap_or("127.0.0.1:7001");
            (
                "this is no address with a port",
                format!("write it like \"{like}\""),
            )
        }
        // Texts of ours say both halves.
        (text, _) if text.contains("; ") => text
            .split_once("; ")
            .map_or((text, String::new()), |(a, b)| (a, b.to_owned())),
        (text, Some(default)) => (text, format!("the default is {default}")),
        (text, None) => (text, String::new()),
    };
    let place = given.nearest(path).place.clone();
    Problem {
        place,
        key: path.to_string(),
        wrong: wrong.to_owned(),
        right,
    }
}
