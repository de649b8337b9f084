//! Trees and proofs against the oracle, and proofs as files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use ringfence_audit::{Archive, check_proof, hash_lines, verify};
use ringfence_model::Digest;
use tlog_tiles::tlog::{Hash, check_record, check_tree, prove_record, prove_tree};

use crate::fixture::{data, entry, open};
use crate::oracle::{Hashes, head, leaf_hash, leaf_hashes};

fn text(hash: &[u8]) -> String {
    STANDARD.encode(hash)
}

fn texts<'a>(proof: impl IntoIterator<Item = &'a Hash>) -> Vec<String> {
    proof.into_iter().map(|hash| text(&hash.0)).collect()
}

fn inclusion(index: u64, size: u64, root: &Hash, leaf: &Hash, proof: &[Hash]) -> bool {
    let json = serde_json::json!({
        "leafIdx": index, "treeSize": size, "root": text(&root.0), "leafHash": text(&leaf.0),
        "proof": texts(proof), "desc": "whatever", "wantErr": false,
    });
    check_proof(json.to_string().as_bytes()).unwrap()
}

fn consistency(old: u64, new: u64, root1: &Hash, root2: &Hash, proof: &[Hash]) -> bool {
    let json = serde_json::json!({
        "size1": old, "size2": new, "root1": text(&root1.0), "root2": text(&root2.0), "proof": texts(proof),
    });
    check_proof(json.to_string().as_bytes()).unwrap()
}

fn hashes(digests: Vec<Digest>) -> Vec<Hash> {
    digests.into_iter().map(|digest| Hash(digest.0)).collect()
}

#[test]
fn the_oracle_agrees_with_a_real_log() {
    let data = data();
    let log = open(data.path());
    let sizes = [1u64, 2, 3, 7, 8, 200, 255, 256, 257, 511, 512, 513, 600];
    let mut heads = Vec::new();
    for n in 0..600 {
        log.append(entry(n)).wait().unwrap();
        if sizes.contains(&(n + 1)) {
            heads.push((n + 1, log.head().root, log.checkpoint()));
        }
        if n == 300 {
            log.lay().unwrap();
        }
    }
    // From tiles and journal together, and later from tiles alone.
    let beside = Archive::open(data.path()).unwrap();
    log.close().unwrap();
    let vkey = std::fs::read_to_string(data.path().join("log/vkey")).unwrap();
    let alone = Archive::open(data.path()).unwrap();
    let leaves: Vec<Vec<u8>> = alone.read(0).map(|leaf| leaf.unwrap().bytes).collect();
    let oracle = Hashes::of(&leaves);
    let (size, root) = head(alone.checkpoint(), vkey.trim());
    assert_eq!((size, root), (600, oracle.root(600)));
    let stored = leaf_hashes(&data.path().join("log"), size, root);
    assert!(leaves.iter().map(|leaf| leaf_hash(leaf)).eq(stored.iter().copied()));
    for archive in [&beside, &alone] {
        assert!(archive.inclusion(600, 600).is_err() && archive.inclusion(0, 601).is_err());
        assert!(archive.consistency(2, 1).is_err() && archive.consistency(1, 601).is_err());
        for (size, digest, note) in &heads {
            let (size, root) = (*size, oracle.root(*size));
            assert_eq!(digest.0, root.0);
            assert_eq!(archive.root(size).unwrap(), *digest);
            assert_eq!(head(note, vkey.trim()), (size, root));
            for index in [0, size / 3, size / 2, size - 1] {
                let leaf = stored[usize::try_from(index).unwrap()];
                let ours = hashes(archive.inclusion(index, size).unwrap());
                check_record(&ours, size, root, index, leaf).unwrap();
                let theirs = prove_record(size, index, &oracle).unwrap();
                assert!(inclusion(index, size, &root, &leaf, &theirs));
                assert_eq!(ours, theirs);
            }
            for (old, ..) in heads.iter().filter(|(old, ..)| *old <= size) {
                let before = oracle.root(*old);
                let ours = hashes(archive.consistency(*old, size).unwrap());
                check_tree(&ours, size, root, *old, before).unwrap();
                let theirs = prove_tree(size, *old, &oracle).unwrap();
                assert!(consistency(*old, size, &before, &root, &theirs));
                assert_eq!(ours, theirs);
            }
            verify(data.path(), Some(&vkey), Some(note), false).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_root_is_the_oracles(lines in proptest::collection::vec("[a-c]{0,3}", 0..70)) {
        let oracle = Hashes::of(&lines);
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (size, root) = hash_lines(input.as_bytes()).unwrap();
        prop_assert_eq!(size, u64::try_from(lines.len()).unwrap());
        prop_assert_eq!(root.0, oracle.root(size).0);
    }

    #[test]
    fn proofs_hold_for_what_they_are_about_and_nothing_else(
        size in 1u64..140, a in any::<u64>(), b in any::<u64>(), bit in any::<u8>(), place in any::<usize>(),
    ) {
        let leaves: Vec<[u8; 8]> = (0..size).map(u64::to_le_bytes).collect();
        let oracle = Hashes::of(&leaves);
        let (root, index, old) = (oracle.root(size), a % size, b % size + 1);
        let leaf = leaf_hash(&index.to_le_bytes());
        let mut proof = prove_record(size, index, &oracle).unwrap();
        prop_assert!(inclusion(index, size, &root, &leaf, &proof));
        prop_assert!(index == 0 || !inclusion(index - 1, size, &root, &leaf, &proof));
        prop_assert!(!inclusion(index, size, &leaf, &root, &proof) || size == 1);
        prop_assert!(!inclusion(index, u64::MAX, &root, &leaf, &proof));
        if !proof.is_empty() {
            let place = place % proof.len();
            proof[place].0[usize::from(bit) % 32] ^= 1 << (bit % 8);
            prop_assert!(!inclusion(index, size, &root, &leaf, &proof));
            proof.pop();
            prop_assert!(!inclusion(index, size, &root, &leaf, &proof));
        }
        let before = oracle.root(old);
        let mut proof = prove_tree(size, old, &oracle).unwrap();
        prop_assert!(consistency(old, size, &before, &root, &proof));
        prop_assert!(old == size || !consistency(old + 1, size, &before, &root, &proof));
        if !proof.is_empty() {
            let place = place % proof.len();
            proof[place].0[usize::from(bit) % 32] ^= 1 << (bit % 8);
            prop_assert!(!consistency(old, size, &before, &root, &proof));
            proof.push(root);
            prop_assert!(!consistency(old, size, &before, &root, &proof));
        }
    }

    #[test]
    fn no_sizes_and_no_proof_panic(
        numbers in proptest::array::uniform4(proptest::prop_oneof![any::<u64>(), 0u64..9, proptest::prelude::Just(u64::MAX)]),
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let [a, b, c, _] = numbers;
        let (hash, proof): (String, Vec<String>) = (text(&[0; 32]), proof.iter().map(|hash| text(hash)).collect());
        for json in [
            serde_json::json!({"leafIdx": a, "treeSize": b, "root": hash, "leafHash": hash, "proof": proof}),
            serde_json::json!({"size1": a, "size2": b, "root1": hash, "root2": hash, "proof": proof}),
            serde_json::json!({"leafIdx": a, "start": b, "end": c, "root": hash, "leafHash": hash, "proof": proof}),
            serde_json::json!({"start": a, "end": b, "size": c, "root1": hash, "root2": hash, "proof": proof}),
        ] {
            check_proof(json.to_string().as_bytes()).unwrap();
        }
    }
}

/// The subtree forms by their definition: the subtree's own root, and the proof that the
/// recursion of the draft spells out.
fn subtree_proof(oracle: &[Hash], start: usize, end: usize, known: bool) -> Vec<Hash> {
    let size = oracle.len();
    if start == 0 && end == size {
        return if known { Vec::new() } else { vec![root_of(oracle)] };
    }
    let middle = size.next_power_of_two() / 2;
    let (left, right) = oracle.split_at(middle);
    let (mut proof, sibling) = if end <= middle {
        (subtree_proof(left, start, end, known), right)
    } else if start >= middle {
        (subtree_proof(right, start - middle, end - middle, known), left)
    } else {
        (subtree_proof(right, 0, end - middle, false), left)
    };
    proof.push(root_of(sibling));
    proof
}

fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tlog_tiles::tlog::EMPTY_HASH,
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            tlog_tiles::tlog::node_hash(root_of(left), root_of(right))
        }
    }
}

#[test]
fn subtrees_are_proved_and_only_subtrees() {
    let leaves: Vec<Hash> = (0u64..19).map(|n| leaf_hash(&n.to_le_bytes())).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        for start in 0..size {
            for end in start + 1..=size {
                let aligned = start % (end - start).next_power_of_two() == 0;
                let (root1, root2) = (root_of(&tree[start..end]), root_of(tree));
                let proof = if aligned { subtree_proof(tree, start, end, true) } else { Vec::new() };
                let json = |root1: Hash| {
                    serde_json::json!({
                        "start": start, "end": end, "size": size, "proof": texts(&proof),
                        "root1": text(&root1.0), "root2": text(&root2.0),
                    })
                };
                let holds = |json: serde_json::Value| check_proof(json.to_string().as_bytes()).unwrap();
                assert_eq!(holds(json(root1)), aligned, "[{start}, {end}) of {size}");
                let whole = start == 0 && end == size;
                assert!(!holds(json(leaf_hash(b"other"))), "[{start}, {end}) of {size} {whole}");
                for index in start..end {
                    let within = subtree_proof(&tree[start..end], index - start, index - start + 1, true);
                    let json = serde_json::json!({
                        "leafIdx": index, "start": start, "end": end, "root": text(&root1.0),
                        "leafHash": text(&tree[index].0), "proof": texts(&within),
                    });
                    assert_eq!(holds(json), aligned, "{index} of [{start}, {end})");
                }
            }
        }
    }
}

#[test]
fn proof_files_are_told_apart() {
    let (hash, empty) = (text(&[0; 32]), text(&tlog_tiles::tlog::EMPTY_HASH.0));
    let cases = [
        // A lone leaf is its own root; `proof` may be null or left out.
        (r#"{"leafIdx":0,"treeSize":1,"root":"H","leafHash":"H","proof":null}"#, Some(true)),
        (r#"{"leafIdx":0,"treeSize":1,"root":"H","leafHash":"H"}"#, Some(true)),
        (r#"{"leafIdx":0,"treeSize":0,"root":"H","leafHash":"H","proof":null}"#, Some(false)),
        (
            r#"{"leafIdx":18446744073709551615,"treeSize":18446744073709551615,"root":"H","leafHash":"H","proof":[]}"#,
            Some(false),
        ),
        (r#"{"size1":5,"size2":5,"root1":"H","root2":"H","proof":[]}"#, Some(true)),
        // Of an empty tree nothing can be shown; the empty subtree is in every tree.
        (r#"{"size1":0,"size2":5,"root1":"E","root2":"H","proof":[]}"#, Some(false)),
        (r#"{"start":1,"end":1,"size":2,"root1":"E","root2":"H","proof":[]}"#, Some(true)),
        (r#"{"start":1,"end":1,"size":0,"root1":"E","root2":"H","proof":[]}"#, Some(false)),
        (r#"{"start":1,"end":1,"size":2,"root1":"H","root2":"H","proof":[]}"#, Some(false)),
        // Hashes of the wrong length do not hold.
        (r#"{"leafIdx":0,"treeSize":1,"root":"AAAA","leafHash":"AAAA","proof":[]}"#, Some(false)),
        (r#"{"leafIdx":0,"treeSize":1,"root":"","leafHash":"H","proof":[]}"#, Some(false)),
        (r#"{"leafIdx":0,"treeSize":1,"root":null,"leafHash":"H","proof":[]}"#, Some(false)),
        (r#"{"size1":5,"size2":5,"root1":"H","root2":"H","proof":["AAAA"]}"#, Some(false)),
        // These are no proofs at all.
        (r#"{"leafIdx":0,"treeSize":1,"root":"H"}"#, None),
        (r#"{"leafIdx":0,"root":"H","leafHash":"H"}"#, None),
        (r#"{"leafIdx":-1,"treeSize":1,"root":"H","leafHash":"H"}"#, None),
        (r#"{"leafIdx":0,"treeSize":18446744073709551616,"root":"H","leafHash":"H"}"#, None),
        (r#"{"leafIdx":0,"treeSize":1,"root":"not base64","leafHash":"H"}"#, None),
        (r#"{"leafIdx":0,"treeSize":1,"root":"AAA","leafHash":"H"}"#, None),
        ("[]", None),
        ("", None),
    ];
    for (json, expected) in cases {
        let json = json.replace("\"H\"", &format!("\"{hash}\"")).replace("\"E\"", &format!("\"{empty}\""));
        assert_eq!(check_proof(json.as_bytes()).ok(), expected, "{json}");
    }
}

#[test]
fn lines_are_records() {
    let hex = |input: &[u8]| {
        let (size, root) = hash_lines(input).unwrap();
        (size, root.to_string())
    };
    let root = |leaves: &[&[u8]]| {
        let leaves: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        Digest(root_of(&leaves).0).to_string()
    };
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex(b""), (0, empty.to_owned()));
    assert_eq!(hex(b"\n"), (1, root(&[b""])));
    assert_eq!(hex(b"a"), (1, root(&[b"a"])));
    assert_eq!(hex(b"a\n"), (1, root(&[b"a"])));
    assert_eq!(hex(b"a\n\n\xff\x00\r\nb"), (4, root(&[b"a", b"", b"\xff\x00\r", b"b"])));
}
