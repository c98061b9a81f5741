//! Platforms: the host's, how they are written, and which image serves which (containerd's `platforms` rules).

use oci::image::{Image, Platform};

/// The platform of this machine.
pub(crate) fn host() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "x86" => ("386", None),
        "aarch64" => ("arm64", Some("v8")),
        "arm" => ("arm", Some("v7")),
        "powerpc64" => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: variant.map(str::to_owned),
        ..Platform::default()
    }
}

/// The platform that an image document declares.
pub(crate) fn of_document(doc: &Image) -> Platform {
    normalize(&Platform {
        architecture: doc.architecture.clone(),
        os: doc.os.clone(),
        os_version: doc.os_version.clone(),
        os_features: doc.os_features.clone(),
        variant: doc.variant.clone(),
    })
}

/// The usual spelling: `amd64` for `x86_64`, no variant where it is the default one.
pub(crate) fn normalize(p: &Platform) -> Platform {
    let mut p = p.clone();
    p.os = p.os.to_ascii_lowercase();
    p.architecture = p.architecture.to_ascii_lowercase();
    let variant = p.variant.as_deref().unwrap_or("").to_ascii_lowercase();
    let (arch, variant) = match (p.architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", v) => ("amd64", v),
        ("i386", _) => ("386", ""),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64", v) => ("arm64", v),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (a, v) => (a, v),
    };
    let (arch, variant) = (arch.to_owned(), variant.to_owned());
    p.architecture = arch;
    p.variant = (!variant.is_empty()).then_some(variant);
    p
}

/// `os[(version)]/arch[/variant]`, as Docker prints it.
pub(crate) fn format(p: &Platform) -> String {
    if p.os.is_empty() {
        return "unknown".to_owned();
    }
    let mut s = p.os.clone();
    if let Some(version) = p.os_version.as_deref().filter(|v| !v.is_empty()) {
        s = format!("{s}({version})");
    }
    if !p.architecture.is_empty() {
        s = format!("{s}/{}", p.architecture);
    }
    if let Some(variant) = p.variant.as_deref().filter(|v| !v.is_empty()) {
        s = format!("{s}/{variant}");
    }
    s
}

/// How well an image for `have` serves `wanted`: 0 is best, `None` not at all.
pub(crate) fn rank(wanted: &Platform, have: &Platform) -> Option<usize> {
    let (wanted, have) = (normalize(wanted), normalize(have));
    if wanted.os != have.os {
        return None;
    }
    accepted(&wanted)
        .iter()
        .position(|(arch, variant)| *arch == have.architecture && variant.as_deref() == have.variant.as_deref())
}

/// Whether an image for `have` is exactly for `wanted`.
pub(crate) fn is_exact(wanted: &Platform, have: &Platform) -> bool {
    rank(wanted, have) == Some(0)
}

/// What a machine of this platform runs, best first.
fn accepted(p: &Platform) -> Vec<(String, Option<String>)> {
    let own = (p.architecture.clone(), p.variant.clone());
    let arm = |from: u8| (5..=from).rev().map(|v| ("arm".to_owned(), Some(format!("v{v}"))));
    let level = |v: &Option<String>| v.as_deref().and_then(|v| v.strip_prefix('v')?.parse::<u8>().ok());
    match p.architecture.as_str() {
        "amd64" => {
            let mut out: Vec<_> = (2..=level(&p.variant).unwrap_or(1))
                .rev()
                .map(|v| ("amd64".to_owned(), Some(format!("v{v}"))))
                .collect();
            out.extend([("amd64".to_owned(), None), ("386".to_owned(), None)]);
            out
        }
        "arm" => match level(&p.variant) {
            Some(v @ 5..=8) => arm(v).collect(),
            _ => vec![own],
        },
        "arm64" => {
            let mut out = vec![own];
            if p.variant.is_some() {
                out.push(("arm64".to_owned(), None));
            }
            out.extend(arm(8));
            out
        }
        _ => vec![own],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(s: &str) -> Platform {
        let mut parts = s.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap_or_default(),
            architecture: parts.next().unwrap_or_default(),
            variant: parts.next(),
            ..Platform::default()
        }
    }

    #[test]
    fn machines_run_what_they_can() {
        for (wanted, have, want) in [
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/amd64/v1", Some(0)),
            ("linux/amd64", "linux/x86_64", Some(0)),
            ("linux/amd64", "linux/386", Some(1)),
            ("linux/amd64", "linux/amd64/v3", None),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/amd64", "windows/amd64", None),
            ("linux/amd64", "linux/arm64", None),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64/v8", "linux/arm/v7", Some(2)),
            ("linux/arm/v7", "linux/arm/v6", Some(1)),
            ("linux/arm", "linux/arm/v7", Some(0)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/s390x", "linux/s390x", Some(0)),
        ] {
            assert_eq!(rank(&parse(wanted), &parse(have)), want, "{wanted} on {have}");
        }
    }
}
