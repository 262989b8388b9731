//! Who may import whom: only lower floors, never sideways; what stands beside the house only in tests.

use super::Problem;
use crate::workspace::{Dependency, Floor, Package};

/// The one import within a floor that the house allows.
const EXCEPTION: (&str, &str) = ("atlas-runtime", "atlas-base");

/// Outside crates that do input and output or keep time: nothing for pure code.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "hyper",
    "mio",
    "rustix",
    "smol",
    "socket2",
    "tokio",
];

/// Checks every import of every package.
pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let Some(floor) = package.floor else {
            problems.push(Problem::new(
                &package.name,
                "its manifest names no floor; add `[package.metadata.atlas]` with `floor = N` or `floor = \"side\"`",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let message = match packages.iter().find(|other| other.name == dependency.name) {
                Some(other) => check_inside(package, floor, other, dependency),
                None => check_outside(floor, dependency),
            };
            problems.extend(message.map(|message| Problem::new(&package.name, message)));
        }
    }
    problems
}

fn check_inside(
    package: &Package,
    floor: Floor,
    other: &Package,
    dependency: &Dependency,
) -> Option<String> {
    let (Floor::Number(own), Some(theirs)) = (floor, other.floor) else {
        // What stands beside the house may import anything; a package without a floor is named already.
        return None;
    };
    if package.name == other.name && dependency.only_for_tests {
        // Its own tests want its own features.
        return None;
    }
    match theirs {
        Floor::Side if dependency.only_for_tests => None,
        Floor::Side => Some(format!(
            "imports {}, which stands beside the house and is for tests only",
            other.name
        )),
        Floor::Number(below) if below < own => None,
        Floor::Number(_) if (package.name.as_str(), other.name.as_str()) == EXCEPTION => None,
        Floor::Number(level) => Some(format!(
            "stands on floor {own} and imports {} on floor {level}; only lower floors may be imported",
            other.name
        )),
    }
}

fn check_outside(floor: Floor, dependency: &Dependency) -> Option<String> {
    let pure = floor == Floor::Number(1);
    (pure && IMPURE.contains(&dependency.name.as_str())).then(|| {
        format!(
            "stands on floor 1, which does no input or output, and imports {}; act in a service",
            dependency.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, floor: Option<Floor>, imports: &[(&str, bool)]) -> Package {
        Package {
            name: name.into(),
            folder: name.into(),
            floor,
            dependencies: imports
                .iter()
                .map(|&(name, only_for_tests)| Dependency {
                    name: name.into(),
                    only_for_tests,
                })
                .collect(),
        }
    }

    fn house() -> Vec<Package> {
        let number = |number| Some(Floor::Number(number));
        vec![
            package("atlas-base", number(0), &[("serde", false)]),
            package(
                "atlas-runtime",
                number(0),
                &[("atlas-base", false), ("tokio", false)],
            ),
            package(
                "atlas-wire",
                number(1),
                &[
                    ("atlas-base", false),
                    ("atlas-sim", true),
                    ("atlas-wire", true),
                ],
            ),
            package(
                "atlas-edge",
                number(4),
                &[("atlas-wire", false), ("tokio", false)],
            ),
            package("atlas-sim", Some(Floor::Side), &[("atlas-edge", false)]),
        ]
    }

    #[test]
    fn a_well_built_house_has_no_problem() {
        assert_eq!(check(&house()), []);
    }

    #[test]
    fn each_forbidden_import_is_found() {
        let number = |number| Some(Floor::Number(number));
        let cases = [
            package("atlas-world", number(1), &[("atlas-wire", false)]),
            package("atlas-world", number(1), &[("atlas-edge", false)]),
            package("atlas-world", number(1), &[("atlas-edge", true)]),
            package("atlas-world", number(1), &[("atlas-sim", false)]),
            package("atlas-world", number(1), &[("tokio", false)]),
            package("atlas-world", number(1), &[("mio", true)]),
            package("atlas-other", number(0), &[("atlas-base", false)]),
            package("atlas-world", None, &[]),
        ];
        for case in cases {
            let described = format!("{case:?}");
            let mut packages = house();
            packages.push(case);
            assert_eq!(check(&packages).len(), 1, "{described}");
        }
    }
}
