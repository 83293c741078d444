//! The README says how many lines a PBX has to write for its calls; this counts them again.

use std::path::Path;

#[test]
fn both_sides_take_at_most_a_hundred_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("the README is there");
    let counts = ["calls.rs", "leg.rs"].map(|file| {
        let code = std::fs::read_to_string(folder.join("src").join(file)).expect("the file is there");
        let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(readme.contains(&format!("| [`{file}`](src/{file}) | {lines} |")), "README.md: {file} has {lines} lines");
        lines
    });
    let both = counts.iter().sum::<usize>();
    assert!(both <= 100, "{both} lines");
    assert!(readme.contains(&format!("| **{both}** |")), "README.md: both sides have {both} lines");
}
