//! The same log as others would write and read it: `tlog_tiles` and `signed_note`.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{Error, Hash, HashReader, record_hash, stored_hashes, tree_hash};

/// All hashes of a tree, in their stored order.
#[derive(Default)]
pub(crate) struct Hashes(pub(crate) Vec<Hash>);

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

impl Hashes {
    pub(crate) fn of<L: AsRef<[u8]>>(leaves: &[L]) -> Self {
        let mut hashes = Hashes::default();
        for (n, leaf) in (0u64..).zip(leaves) {
            let new = stored_hashes(n, leaf.as_ref(), &hashes).unwrap();
            hashes.0.extend(new);
        }
        hashes
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        tree_hash(size, self).unwrap()
    }
}

/// Lays a whole log of these leaves, signed with the key of the log in `signer`.
pub(crate) fn lay(log: &Path, leaves: &[Vec<u8>], signer: &Path) {
    fs::remove_dir_all(log.join("tile")).ok();
    let hashes = Hashes::of(leaves);
    let size = u64::try_from(leaves.len()).unwrap();
    for tile in Tile::new_tiles(8, 0, size) {
        write(log, &tile, &tile.read_data(&hashes).unwrap());
        if tile.level() == 0 {
            let start = usize::try_from(tile.level_index()).unwrap() * 256;
            let width = usize::try_from(tile.width()).unwrap();
            let mut bundle = Vec::new();
            for leaf in &leaves[start..start + width] {
                bundle.extend(u16::try_from(leaf.len()).unwrap().to_be_bytes());
                bundle.extend(leaf);
            }
            let mut data = tile;
            data.set_is_data();
            write(log, &data, &bundle);
        }
    }
    let root = hashes.root(size);
    let key = fs::read_to_string(signer.join("keys/log.key")).unwrap();
    let signer = StandardSigner::new(key.trim()).unwrap();
    let text = Checkpoint::new("ringfence/node-1", size, root, "").unwrap().to_bytes();
    let mut note = Note::new(&text, &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    fs::write(log.join("checkpoint"), note.to_bytes()).unwrap();
}

fn write(log: &Path, tile: &Tile, bytes: &[u8]) {
    let path = log.join(path(tile));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `tile/<level>/…` without the height that the oracle's own names begin with.
fn path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

/// Reads tiles as the oracle wants them.
pub(crate) struct Files<'a>(pub(crate) &'a Path, pub(crate) RefCell<Vec<String>>);

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        self.1.borrow_mut().extend(tiles.iter().map(path));
        Ok(tiles.iter().map(|tile| fs::read(self.0.join(path(tile))).unwrap()).collect())
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The oracle's view of the head in a log's directory: size and root, its signature checked.
pub(crate) fn head(note: &str, vkey: &str) -> (u64, Hash) {
    let verifier = StandardVerifier::new(vkey).unwrap();
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1);
    let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), "ringfence/node-1");
    (checkpoint.size(), *checkpoint.hash())
}

/// Every leaf's hash, read from tiles and proved against the head by the oracle.
pub(crate) fn leaf_hashes(log: &Path, size: u64, root: Hash) -> Vec<Hash> {
    let files = Files(log, RefCell::default());
    let reader = TileHashReader::new(size, root, &files);
    let indexes: Vec<u64> = (0..size).map(|n| tlog_tiles::tlog::stored_hash_index(0, n)).collect();
    reader.read_hashes(&indexes).unwrap()
}

/// The oracle's hash of a leaf.
pub(crate) fn leaf_hash(leaf: &[u8]) -> Hash {
    record_hash(leaf)
}
