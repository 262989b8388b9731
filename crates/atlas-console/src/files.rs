//! The files of the page, compiled in.

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name under `/console/`.
    pub(crate) name: &'static str,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// Its bytes.
    pub(crate) bytes: &'static [u8],
}

impl File {
    /// A strong validator of the bytes: FNV-1a of 64 bits, quoted. It guards against stale copies, not against forgery.
    pub(crate) fn tag(&self) -> String {
        let hash = self
            .bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("\"{hash:016x}\"")
    }
}

macro_rules! file {
    ($name:literal, $kind:expr) => {
        File {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!("../assets/", $name)),
        }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file that is served.
pub(crate) static FILES: [File; 31] = [
    file!("index.html", HTML),
    file!("store.html", HTML),
    file!("console.css", STYLE),
    file!("store.css", STYLE),
    file!("icon.svg", "image/svg+xml"),
    file!("plex-sans.woff2", "font/woff2"),
    file!("plex-sans.license.txt", "text/plain; charset=utf-8"),
    file!("theme.js", SCRIPT),
    file!("main.js", SCRIPT),
    file!("api.js", SCRIPT),
    file!("ask.js", SCRIPT),
    file!("bytes.js", SCRIPT),
    file!("check.js", SCRIPT),
    file!("drain.js", SCRIPT),
    file!("draw.js", SCRIPT),
    file!("feed.js", SCRIPT),
    file!("format.js", SCRIPT),
    file!("keys.js", SCRIPT),
    file!("map.js", SCRIPT),
    file!("move.js", SCRIPT),
    file!("overview.js", SCRIPT),
    file!("palette.js", SCRIPT),
    file!("scene.js", SCRIPT),
    file!("servers.js", SCRIPT),
    file!("sessions.js", SCRIPT),
    file!("shell.js", SCRIPT),
    file!("sparkline.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("store-tables.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("value.js", SCRIPT),
];

/// The file of a name.
pub(crate) fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_served_and_every_served_file_is_used() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        there.sort();
        served.sort_unstable();
        assert_eq!(served, there);
        let all: String = FILES
            .iter()
            .filter(|file| file.kind != "font/woff2")
            .map(text)
            .collect();
        for file in FILES.iter().filter(|file| {
            !matches!(
                file.name,
                "index.html" | "store.html" | "plex-sans.license.txt"
            )
        }) {
            assert!(
                all.contains(&format!("/console/{}", file.name))
                    || all.contains(&format!("\"./{}\"", file.name)),
                "{} is used nowhere",
                file.name
            );
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_is_inline() {
        for file in FILES
            .iter()
            .filter(|file| !matches!(file.kind, "font/woff2") && !file.name.contains("license"))
        {
            let text = text(file);
            for word in ["http://", "https://", "innerHTML", "eval("] {
                // Names of XML namespaces look like addresses; nothing is fetched from them.
                let text = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(word), "{}: {word}", file.name);
            }
        }
        for name in ["index.html", "store.html"] {
            let page = text(find(name).unwrap());
            for word in [" style=", " onclick=", "<style", "<script>"] {
                assert!(!page.contains(word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn tags_follow_the_bytes() {
        let file = |bytes| File {
            name: "a",
            kind: HTML,
            bytes,
        };
        assert_eq!(file(b"").tag(), "\"cbf29ce484222325\"");
        assert_eq!(file(b"a").tag(), "\"af63dc4c8601ec8c\"");
    }

    fn text(file: &File) -> String {
        String::from_utf8(file.bytes.to_vec()).unwrap()
    }
}
