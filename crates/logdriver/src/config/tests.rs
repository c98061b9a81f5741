use super::*;

fn opts(pairs: &[(&str, &str)]) -> LogOpts {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn settings(pairs: &[(&str, &str)]) -> Result<(Option<u64>, u32, bool), String> {
    JsonFileConfig::from_opts(PathBuf::new(), &opts(pairs), &BTreeMap::new(), &[], None)
        .map(|c| (c.max_size, c.max_file, c.compress))
        .map_err(|e| e.to_string())
}

#[test]
fn drivers_and_names_are_checked() {
    let check = |driver: &str, pairs: &[(&str, &str)]| validate_opts(driver, &opts(pairs)).map_err(|e| e.to_string());
    assert_eq!(
        check("json-file", &[("max-size", "x"), ("tag", ""), ("mode", "non-blocking")]),
        Ok(DriverKind::JsonFile)
    );
    assert_eq!(check("", &[]), Ok(DriverKind::JsonFile));
    assert_eq!(check("none", &[("x", "y")]), Ok(DriverKind::None));
    assert_eq!(check("json-file", &[("x", "y")]), Err("unknown log opt 'x' for json-file log driver".into()));
    assert_eq!(check("nosuch", &[]), Err("logger: no log driver named 'nosuch' is registered".into()));
    assert_eq!(check("json-file", &[("mode", "x")]), Err("logger: logging mode not supported: x".into()));
    assert_eq!(
        check("json-file", &[("max-buffer-size", "1m")]),
        Err("logger: max-buffer-size option is only supported with 'mode=non-blocking'".into())
    );
    assert_eq!(
        check("json-file", &[("mode", "non-blocking"), ("max-buffer-size", "x")]),
        Err("error parsing option max-buffer-size: invalid size: 'x'".into())
    );
}

#[test]
fn sizes_and_counts() {
    assert_eq!(settings(&[]), Ok((Some(20_000_000), 5, true)));
    assert_eq!(settings(&[("max-size", "10m")]), Ok((Some(10_000_000), 1, false)));
    assert_eq!(settings(&[("max-size", "1.5 KiB"), ("max-file", "3")]), Ok((Some(1500), 3, false)));
    assert_eq!(settings(&[("max-file", "3"), ("compress", "T")]), Ok((Some(20_000_000), 3, true)));
    for (pairs, want) in [
        (&[("max-size", "0")][..], "max-size must be a positive number"),
        (&[("max-size", "-1")], "invalid size: '-1'"),
        (&[("max-size", "m")], "invalid size: 'm'"),
        (&[("max-size", "")], "invalid size: ''"),
        (&[("max-size", "1x")], "invalid suffix: 'x'"),
        (&[("max-size", "1Mx")], "invalid suffix: 'mx'"),
        (&[("max-size", "1..m")], "strconv.ParseFloat: parsing \"1..\": invalid syntax"),
        (&[("max-file", "0")], "max-file cannot be less than 1"),
        (&[("max-file", "two")], "strconv.Atoi: parsing \"two\": invalid syntax"),
        (&[("compress", "yes")], "strconv.ParseBool: parsing \"yes\": invalid syntax"),
        (
            &[("compress", "true"), ("max-size", "1m")],
            "compress cannot be true when max-file is less than 2 or max-size is not set",
        ),
    ] {
        assert_eq!(settings(pairs), Err(want.to_owned()), "{pairs:?}");
    }
}

#[cfg(feature = "read")]
#[test]
fn attributes_are_chosen() {
    let labels = opts(&[("a", "1"), ("b.c", "<2>"), ("d", "3")]);
    let env = ["E1=x".to_owned(), "E2=y=z".to_owned(), "F=".to_owned(), "bare".to_owned()];
    let attrs = |pairs: &[(&str, &str)], tag| {
        JsonFileConfig::from_opts(PathBuf::new(), &opts(pairs), &labels, &env, tag)
            .map(|c| c.attrs)
            .map_err(|e| e.to_string())
    };
    assert_eq!(attrs(&[], None), Ok(None));
    assert_eq!(
        attrs(&[("labels", "b.c,nosuch,a"), ("env", "E2,bare")], Some("t\t")),
        Ok(Some(r#"{"E2":"y=z","a":"1","b.c":"\u003c2\u003e","tag":"t\t"}"#.to_owned()))
    );
    assert_eq!(
        attrs(&[("labels-regex", "^[ad]$"), ("env-regex", "^E")], None),
        Ok(Some(r#"{"E1":"x","E2":"y=z","a":"1","d":"3"}"#.to_owned()))
    );
    assert!(attrs(&[("env-regex", "[")], None).is_err_and(|e| e.starts_with("error parsing regexp: ")));
}
