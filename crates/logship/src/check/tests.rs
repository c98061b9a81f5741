use super::*;

/// As Docker 28.5 answers.
const CASES: &str = r#"
local x=y -> unknown log opt 'x' for log driver local
local max-size=x -> ok
syslog x=y -> unknown log opt 'x' for syslog log driver
syslog syslog-address=foo -> unsupported scheme: ''
syslog syslog-address=http://x -> unsupported scheme: 'http'
syslog syslog-address=udp://[::1 -> parse "udp://[::1": missing ']' in host
syslog syslog-address=unix:///nosuch -> stat /nosuch: no such file or directory
syslog syslog-facility=x -> invalid syslog facility
syslog syslog-facility=23 -> ok
syslog syslog-format=x -> Invalid syslog format
syslog syslog-address=tcp+tls://h -> ok
gelf -> gelf-address is a required parameter
gelf x=y -> gelf-address is a required parameter
gelf gelf-address=x -> gelf: endpoint needs to be TCP or UDP
gelf gelf-address=udp://1 -> gelf: please provide gelf-address as proto://host:port
gelf gelf-address=udp://1:2 x=y -> unknown log opt "x" for gelf log driver
gelf gelf-address=udp://1:2 gelf-compression-level=x -> unknown value "x" for log opt "gelf-compression-level" for gelf log driver
gelf gelf-address=tcp://1:2 gelf-compression-level=1 -> compression is only supported on UDP
gelf gelf-address=udp://1:2 gelf-tcp-max-reconnect=1 -> "gelf-tcp-max-reconnect" is only valid for TCP
gelf gelf-address=tcp://1:2 gelf-tcp-max-reconnect=-1 -> "gelf-tcp-max-reconnect" must be a positive integer
gelf gelf-address=tcp://1:2 gelf-compression-type=lz -> compression is only supported on UDP
gelf gelf-address=udp://1:2 cache-max-size=x -> ok
fluentd x=y -> unknown log opt 'x' for fluentd log driver
fluentd fluentd-address=http://x -> invalid fluentd-address (http://x): unsupported scheme: 'http'
fluentd fluentd-address=a:b -> invalid fluentd-address (a:b): parse "tcp://a:b": invalid port ":b" after host
fluentd fluentd-address=tcp://a:1/x -> invalid fluentd-address (tcp://a:1/x): should not contain a path element
fluentd fluentd-address=unix:// -> invalid fluentd-address (unix://): path is empty
fluentd fluentd-address=a:b:c -> invalid fluentd-address (a:b:c): parse "tcp://a:b:c": invalid port ":c" after host
fluentd fluentd-address=:1 -> ok
fluentd fluentd-async=x -> strconv.ParseBool: parsing "x": invalid syntax
fluentd fluentd-async-reconnect-interval=x -> invalid value for fluentd-async-reconnect-interval: time: invalid duration "x"
fluentd fluentd-async-reconnect-interval=1ms -> invalid value for fluentd-async-reconnect-interval: value ("1ms") must be between 100ms and 10s
fluentd fluentd-buffer-limit=x -> invalid size: 'x'
fluentd fluentd-max-retries=x -> strconv.ParseUint: parsing "x": invalid syntax
fluentd fluentd-request-ack=x -> strconv.ParseBool: parsing "x": invalid syntax
fluentd fluentd-retry-wait=x -> time: invalid duration "x"
fluentd fluentd-retry-wait=-1 -> time: missing unit in duration "-1"
fluentd fluentd-sub-second-precision=x -> strconv.ParseBool: parsing "x": invalid syntax
fluentd fluentd-write-timeout=x -> invalid value for fluentd-write-timeout: value must be a duration: time: invalid duration "x"
fluentd fluentd-write-timeout=-1s -> invalid value for fluentd-write-timeout: value must be a duration that is non-negative
fluentd fluentd-async-connect=x -> unknown log opt 'fluentd-async-connect' for fluentd log driver
journald -> ok
journald x=y -> unknown log opt 'x' for journald log driver
syslog cache-disabled=x -> invalid value for option cache-disabled: x
json-file cache-disabled=x -> invalid value for option cache-disabled: x
syslog cache-foo=x -> unknown log opt 'cache-foo' for syslog log driver
syslog tag={{.x}} -> ok
syslog mode=x -> logger: logging mode not supported: x
etwlogs -> logger: no log driver named 'etwlogs' is registered
none x=y -> ok
"#;

#[test]
fn options_are_judged_as_docker_does() {
    for case in CASES.trim().lines() {
        let (input, want) = case.split_once(" -> ").expect("case");
        let mut words = input.split(' ');
        let driver = words.next().expect("driver");
        let opts = words.map(|w| w.split_once('=').expect("option")).map(|(k, v)| (k.to_owned(), v.to_owned()));
        let got = validate_opts(driver, &opts.collect()).map_or_else(|e| e.to_string(), |()| "ok".to_owned());
        assert_eq!(got, want, "{input}");
    }
}
