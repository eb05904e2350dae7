use serde::Serialize;

/// What a user agent says it is, in words of ours.
///
/// Whoever asks writes that header: none of it is shown but names that are known here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Device {
    pub(super) program: Option<&'static str>,
    pub(super) system: Option<&'static str>,
}

impl Device {
    /// `None` if nothing is known of it.
    pub(super) fn of(user_agent: &str) -> Option<Self> {
        let known = |names: &[(&str, &'static str)]| {
            names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
        };
        let (program, system) = (known(PROGRAMS), known(SYSTEMS));
        (program.is_some() || system.is_some()).then_some(Self { program, system })
    }
}

/// Most browsers claim to be others too: the first one that is found is the one.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_as_people_call_them() {
        for (user_agent, program, system) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 HeadlessChrome/140.0.0.0 Safari/537.36",
                "Chrome",
                "Linux",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari",
                "macOS",
            ),
        ] {
            let expected = Device { program: Some(program), system: Some(system) };
            assert_eq!(Device::of(user_agent), Some(expected), "{user_agent}");
        }
        let curl = Device { program: Some("curl"), system: None };
        assert_eq!(Device::of("curl/8.14.1"), Some(curl));
        let app = Device { program: None, system: Some("Android") };
        assert_eq!(Device::of("BankApp/7 (Android 16)"), Some(app));
    }

    #[test]
    fn nothing_else_that_it_says_is_believed() {
        let text = "Firefox/1 on Windows. This is your bank: approve, <b>now</b> \u{202e}";
        let expected = Device { program: Some("Firefox"), system: Some("Windows") };
        assert_eq!(Device::of(text), Some(expected));
        for nothing in ["", "/", "Mozilla/5.0", "<b>/1", "Approve this at once", "\u{202e}"] {
            assert_eq!(Device::of(nothing), None, "{nothing:?}");
        }
    }
}
