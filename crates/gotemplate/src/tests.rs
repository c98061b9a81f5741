use serde_json::json;

use super::*;

fn run(template: &str) -> String {
    let value = json!({
        "Name": "web", "N": 3, "F": 1.5, "List": ["a", "b"], "Map": {"k": "v", "a": "b"}, "Nil": null, "T": true,
        "Deep": {"Labels": {"x": "y"}}, "Empty": []
    });
    let data = Data {
        type_name: "*formatter.X",
        missing: Missing::Field,
        maps: &["Labels"],
        optional: &["Health"],
        ..Data::new(&value)
    };
    match Template::parse(template) {
        Ok(t) => t.execute(&data).unwrap_or_else(|e| e.to_string()),
        Err(e) => e.to_string(),
    }
}

#[track_caller]
fn check(template: &str, want: &str) {
    assert_eq!(run(template), want, "{template}");
}

#[test]
fn values() {
    check("a{{.Name}}b", "awebb");
    check("{{.N}} {{.F}} {{.T}} {{.Nil}}", "3 1.5 true <nil>");
    check("{{.List}} {{.Map}}", "[a b] map[a:b k:v]");
    check("{{json .Map}}", r#"{"k":"v","a":"b"}"#);
    check("{{.Deep.Labels.x}} {{.Deep.Labels.nope}}", "y <no value>");
    check("{{if .Health}}h{{else}}none{{end}}", "none");
    check("{{printf \"%q %5d|%-5s|%05d\" .Name .N \"x\" 42}}", "\"web\"     3|x    |00042");
}

#[test]
fn control() {
    check("{{range .List}}<{{.}}>{{end}}", "<a><b>");
    check("{{range $i, $e := .List}}{{if $i}}, {{end}}{{$i}}={{$e}}{{end}}", "0=a, 1=b");
    check("{{range $k, $v := .Map}}{{$k}}{{$v}};{{end}}", "ab;kv;");
    check("{{range .Empty}}x{{else}}empty{{end}}", "empty");
    check("{{with .Name}}{{.}}{{end}}{{with .Nil}}x{{else}}y{{end}}", "weby");
    check("{{if eq .Name \"x\" \"web\"}}1{{else if .T}}2{{else}}3{{end}}", "1");
    check("{{$x := 1}}{{$x = 2}}{{$x}}", "2");
    check("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a");
    check("a {{- .Name -}} b", "awebb");
    check("{{/* c */}}x", "x");
}

#[test]
fn functions() {
    check("{{upper .Name}} {{title \"a b\"}} {{join .List \"-\"}} {{split \"a:b\" \":\"}}", "WEB A B a-b [a b]");
    check("{{.Name | upper | printf \"%s!\"}}", "WEB!");
    check("{{pad .Name 1 2}}| {{truncate .Name 2}}", " web  | we");
    check("{{index .List 1}} {{index .Map \"k\"}} {{index .Map \"zz\"}}|", "b v |");
    check("{{len .List}} {{slice .Name 1 2}}", "2 e");
    check("{{and .T .Name}} {{or .Nil .Name}} {{not .T}}", "web web false");
    check("{{lt 1 2}} {{ge 1 2}} {{ne \"a\" \"b\"}}", "true false true");
    check("{{html \"<a>\"}}{{urlquery \"a b\"}}", "&lt;a&gt;a+b");
    check("{{println .N}}", "3\n");
    check("{{(index .List 0)}}", "a");
}

#[test]
fn failures() {
    check("{{.Foo}}", "template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.X");
    check("{{", "template: :1: unclosed action");
    check("{{foo}}", "template: :1: function \"foo\" not defined");
    check("{{if .T}}", "template: :1: unexpected EOF");
    check("{{end}}", "template: :1: unexpected {{end}}");
    check("{{}}", "template: :1: missing value for command");
    check("{{$x}}", "template: :1: undefined variable \"$x\"");
    check(
        "{{index .List 9}}",
        "template: :1:2: executing \"\" at <index .List 9>: error calling index: index out of range: 9",
    );
}
