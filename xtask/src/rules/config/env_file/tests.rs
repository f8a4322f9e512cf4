use super::*;

#[path = "meanings.rs"]
mod meanings;
use meanings::MEANINGS;

fn value(text: &str) -> Option<String> {
    read(format!("A={text}").as_bytes()).ok().map(|mut all| all.pop().map_or_else(String::new, |a| a.value))
}

/// `xtask/tests/it` gives the same table to containers.
#[test]
fn what_both_kinds_of_compose_read_alike_is_what_the_file_says() {
    for (written, meant) in MEANINGS {
        assert_eq!(value(written).as_deref(), Some(*meant), "A={written}");
    }
}

#[test]
fn a_line_is_empty_a_comment_or_an_assignment() {
    let text = "\u{feff}# a='\n\n \t\n  A = 1\r\nexport\tB=2\nA=3\nexport=4\nA.b-1='x\ny' # z";
    let read: Vec<(String, String)> = read(text.as_bytes()).unwrap().into_iter().map(|a| (a.name, a.value)).collect();
    let meant = [("A", "1"), ("B", "2"), ("A", "3"), ("export", "4"), ("A.b-1", "x\ny")];
    assert_eq!(read, meant.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn what_they_read_differently_is_refused_by_line_and_name_and_never_shown() {
    for (line, why) in [
        ("A=hunter2$b", "single quotes"),
        ("A=hunter2$$", "single quotes"),
        ("A=\"hunter2${b}\"", "single quotes"),
        ("A='hunter2${b}'", "choose another"),
        ("A=\"hunter2$\u{17f}\"", "single quotes"),
        ("A=hunter2\t#c", "before `#`"),
        ("A=hunter2\u{a0}#c", "before `#`"),
        ("A=hunter2\u{a0}", "invisible"),
        ("A=\u{1c}hunter2", "invisible"),
        ("A=hunter2\rB=c", "carriage return"),
        ("A='hunter2\r\n'", "carriage return"),
        ("A='hunter2", "not closed"),
        (r#"A="hunter2\\""#, "not closed"),
        ("A='hunter2'c", "closing quote"),
        ("A='hunter2' 'b'", "closing quote"),
        (r"A='hunter2\\b'", "double quotes"),
        (r#"A="hunter2\$b""#, "backslash"),
        (r#"A="hunter2\'b""#, "backslash"),
        (r#"A="hunter2\0b""#, "backslash"),
        (r#"A="hunter2\\"b""#, "backslash"),
        ("A='hunter2\0'", "NUL"),
        ("RELEASE_ID=hunter2", "the tool itself"),
    ] {
        let refused = read(format!("OK=1\n{line}\n").as_bytes()).expect_err(line);
        let shown = refused[0].to_string();
        let name = line.split_once('=').unwrap().0;
        assert!(shown.contains(why), "{line}: {shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        // A carriage return makes two assignments of one for v1, so the name says nothing.
        let named = format!("line 2, {name}: ");
        assert!(shown.starts_with(&named) || (why == "carriage return" && shown.starts_with("line 2: ")), "{shown}");
    }
    for line in ["hunter2", "export A", "=hunter2", "A B=hunter2", "A: hunter2", "'A'=hunter2", "export A B=hunter2"] {
        let shown = read(format!("OK=1\n\n{line}\n").as_bytes()).expect_err(line)[0].to_string();
        assert!(shown.starts_with("line 3: ") && !shown.contains("hunter2"), "{line}: {shown}");
    }
    assert_eq!(read(b"A=1\nB=\xff\n").unwrap_err()[0].line, 2);
}

#[test]
fn each_refused_line_is_named_and_what_follows_an_open_quote_is_not_guessed() {
    let lines = |text: &str| read(text.as_bytes()).unwrap_err().iter().map(|r| r.line).collect::<Vec<usize>>();
    assert_eq!(lines("A=$b\nB='x\ny\nz' z\nC=1\nD=$d\n"), [1, 2, 6]);
    assert_eq!(lines("A=$b\nB='x\nC=$c\n"), [1, 2]);
}

#[test]
fn what_no_process_can_have_in_its_environment_is_refused() {
    let of_length = |length: usize| read(format!("A={}", "x".repeat(length)).as_bytes());
    assert_eq!(of_length(LONGEST - 3).unwrap()[0].value.len(), LONGEST - 3);
    assert!(of_length(LONGEST - 2).unwrap_err()[0].why.contains("128 KiB"));
    assert!(of_length(LARGEST).unwrap_err()[0].why.contains("256 KiB"));
}
