//! How a seed decides.

use std::collections::BTreeSet;

use sync::Limits;
use xfer::body::ContentType;

use super::{
    Birth, Budgets, Crowd, Crowding, Draws, Edge, Edition, FULL, Fault, GUEST, Level, Login, Plan,
    SEVERAL_CLUSTERS, fault, limits,
};
use crate::dice::{Dice, Ratio};
use crate::feature::{self, Feature};
use crate::rare;
use crate::shape::{self, Shape};
use crate::stock;

/// How often many rows are written at once, where that may be.
const CROWD: Ratio = Ratio::new(1, 3);
/// How often one client gives what another one asks for meanwhile.
const RELAY: Ratio = Ratio::new(2, 3);
/// How often a table comes as a disk is nearly full.
const ALBUM: Ratio = Ratio::new(1, 3);
/// Letters of who has less than all, and may clone.
const BIRTH: [&str; 6] = ["gio", "gio", "gio", "go", "gu", "g"];
/// Letters of who may do everything, or nearly.
const ADMIN: [&str; 4] = ["gioa", "gioax", "gioasxy", "s"];
/// Letters that do not.
const LESS: [&str; 4] = ["go", "gu", "", "g"];

impl Plan {
    /// What a seed decides at a level.
    pub fn draw(seed: u64, level: Level, edition: Edition) -> Self {
        let draws = &mut Draws::new(seed, edition, "plan");
        let most = match level {
            Level::Calm => 3,
            Level::Rough => 4,
            Level::Hostile => 5,
        };
        let are_makers_apart = are_makers_apart(seed, level, edition);
        let shape = *draws.on("shape", 0).pick(&Shape::ALL);
        let shape = if are_makers_apart { Shape::Chain } else { shape };
        let nodes = draws.on("peers", 0).between(2, most).max(shape.least_nodes()) as usize;
        let small = is_small(seed, level);
        let nodes = if small { 2 } else { many(seed, level, edition).unwrap_or(nodes) };
        let nodes = if are_makers_apart { MAKERS_APART } else { nodes };
        let pairs = shape::pairs(shape, nodes);
        let limits = limits::draw(seed, level, nodes, edition);
        let are_shipped = limits.contains(&Limits::default());
        let mut plan = Self {
            seed,
            level,
            edition,
            shape,
            edges: Vec::new(),
            unused: BTreeSet::new(),
            births: vec![Birth::Empty; nodes],
            nobody: (0..nodes).map(|node| *draws.on("nobody", node).pick(&[GUEST, "", "g", "gio"])).collect(),
            limits,
            budgets: if edition == Edition::First {
                vec![Budgets::default(); nodes]
            } else {
                Budgets::draw(seed, nodes, are_shipped)
            },
            step: step(seed, level, edition),
            skews: skews(seed, level, nodes, edition),
            faults: fault::draw(seed, level),
            features: feature::draw(seed, level),
            choices: rare::choices(seed, level),
            stock: stock::draw(seed, nodes, edition),
            daemons: BTreeSet::new(),
            actions: draws.on("actions", 0).between(3, if level == Level::Calm { 6 } else { 14 }),
            sessions: pairs.len() as u64
                * draws.on("sessions", 0).between(1, if level == Level::Calm { 2 } else { 4 }),
            bulk: bulk(draws.on("bulk", 0), level, edition),
            more_bulk: 0,
            forks: 0,
            quarrels: 0,
            are_makers_apart: false,
            race: None,
            loss: None,
            crowd: None,
            relay: None,
            album: None,
            framing: framing(seed, level),
            span: 60_000,
        };
        for (number, (client, server)) in pairs.into_iter().enumerate() {
            let edge = edge(draws.on("edge", number), client, server, level);
            plan.edges.push(edge);
        }
        plan.draw_births(draws);
        if small {
            plan.shrink();
        }
        if edition != Edition::First {
            plan.draw_forks();
            plan.draw_more_bulk();
        }
        if edition >= Edition::Third {
            plan.draw_quarrels();
            plan.draw_race();
            plan.draw_loss();
        }
        if edition >= Edition::Fourth {
            plan.draw_files();
        }
        if are_makers_apart {
            plan.set_makers_apart();
        }
        // Who is like stock has none of what is beside; the others keep it. Nor does stock say what it withholds, so that who asks it for one artifact at a time
        // would ask for the same for ever.
        if plan.stock.iter().any(Option::is_some) {
            let stays = |feature: &Feature| {
                edition >= Edition::Fifth || matches!(feature, Feature::Tables | Feature::Locks)
            };
            plan.features.retain(|feature| edition >= Edition::Fourth && stays(feature));
            plan.limits.iter_mut().for_each(|limits| limits.reply_gimmes = limits.reply_gimmes.max(30));
        }
        if edition >= Edition::Seventh {
            plan.draw_crowd();
            plan.draw_relay();
            plan.draw_album();
        }
        plan.draw_admins();
        plan.draw_daemons();
        plan
    }

    /// Little work for two peers: what many of them do to each other is for large runs.
    fn shrink(&mut self) {
        self.actions = Dice::of(self.seed, "few actions", 0).between(1, 4);
        self.bulk = 0;
    }

    /// In some runs there are forks on purpose.
    fn draw_forks(&mut self) {
        let dice = &mut Dice::of(self.seed, "forks", 0);
        let chance = if self.level == Level::Calm { Ratio::new(1, 12) } else { Ratio::new(1, 3) };
        self.forks = if dice.hits(chance) { dice.between(1, 2) } else { 0 };
    }

    /// In some runs two users write the same.
    fn draw_quarrels(&mut self) {
        let dice = &mut Dice::of(self.seed, "quarrels", 0);
        let chance = if self.level == Level::Calm { Ratio::new(1, 12) } else { Ratio::new(1, 2) };
        self.quarrels = if dice.hits(chance) { dice.between(1, 3) } else { 0 };
    }

    /// In some of the larger runs with quarrels files without history go over every edge, most of them both ways.
    fn draw_files(&mut self) {
        let may = self.quarrels > 0 && self.births.len() > 3;
        if !may || !Dice::of(self.seed, "files everywhere", 0).hits(Ratio::new(1, 3)) {
            return;
        }
        for edge in &mut self.edges {
            edge.unversioned = true;
            if edge.login == Login::Password && edge.letters == "gio" {
                edge.letters = "gioy";
            }
        }
    }

    /// Files without history go over every edge, both ways, among peers of Frond.
    fn set_makers_apart(&mut self) {
        self.are_makers_apart = true;
        self.quarrels = self.quarrels.max(1);
        self.stock.iter_mut().for_each(|stock| *stock = None);
        for edge in &mut self.edges {
            (edge.unversioned, edge.login, edge.letters) = (true, Login::Password, "gioy");
            edge.private = false;
        }
    }

    /// Where two sessions at once are a fault that is on, some servers have room for one artifact a reply.
    fn draw_race(&mut self) {
        let dice = &mut Dice::of(self.seed, "race", 0);
        let at = dice.place(self.edges.len());
        let Edge { client, server, .. } = self.edges[at];
        let are_frond = self.stock[client].is_none() && self.stock[server].is_none();
        let may_race = self.faults.contains_key(&Fault::Crowd) && are_frond && !self.makes_several_clusters();
        if may_race && dice.hits(Ratio::new(1, 6)) {
            self.race = Some(at);
            limits::replace(&mut self.limits, server, limits::narrow());
        }
    }

    /// Where backups come back, some servers begin anew with one that is as old as the run, and ask for one artifact a reply.
    fn draw_loss(&mut self) {
        let dice = &mut Dice::of(self.seed, "loss", 0);
        let at = dice.place(self.edges.len());
        let Edge { client, server, login, letters, .. } = self.edges[at];
        let are_frond = self.stock[client].is_none() && self.stock[server].is_none();
        let is_new = self.births[server] == Birth::Empty;
        let may_push = login == Login::Password && !LESS.contains(&letters);
        let may_lose = self.faults.contains_key(&Fault::Restore) && !self.makes_several_clusters();
        if may_lose && are_frond && is_new && may_push && dice.hits(Ratio::new(1, 4)) {
            self.loss = Some(at);
            self.bulk = self.bulk.max(dice.between(100, 110));
            limits::replace(&mut self.limits, server, limits::shy());
        }
    }

    /// Edges over which everything goes both ways, between peers of Frond that have the project from the beginning.
    fn open_edges(&self) -> Vec<usize> {
        let is_open = |&at: &usize| {
            let Edge { client, server, login, letters, .. } = self.edges[at];
            let is_old = |peer: usize| self.stock[peer].is_none() && self.births[peer] == Birth::Empty;
            login == Login::Password && !LESS.contains(&letters) && is_old(client) && is_old(server)
        };
        (0..self.edges.len()).filter(is_open).collect()
    }

    /// In some runs many rows are written at once, where little fits into a message.
    fn draw_crowd(&mut self) {
        let dice = &mut Dice::of(self.seed, "crowd", 0);
        let edges = self.open_edges();
        let may_be = self.level != Level::Calm && !self.makes_several_clusters() && !edges.is_empty();
        if !may_be || !dice.hits(CROWD) {
            return;
        }
        let (edge, kind) = (*dice.pick(&edges), *dice.pick(&Crowding::ALL));
        let Edge { client, server, .. } = self.edges[edge];
        match kind {
            Crowding::Apart | Crowding::Beside => limits::replace(&mut self.limits, client, limits::terse()),
            Crowding::Ahead => limits::replace(&mut self.limits, server, limits::narrow()),
        }
        self.features.insert(Feature::Tables);
        self.crowd = Some(Crowd { edge, kind });
    }

    /// In some runs one client asks a server for one artifact at a time, while another one gives it one at a time.
    fn draw_relay(&mut self) {
        let dice = &mut Dice::of(self.seed, "relay", 0);
        let (edges, may_be) =
            (self.open_edges(), self.level != Level::Calm && !self.makes_several_clusters());
        let pairs = edges.iter().flat_map(|&from| edges.iter().map(move |&to| [from, to]));
        let have_one_server =
            |&[from, to]: &[usize; 2]| from != to && self.edges[from].server == self.edges[to].server;
        let pairs: Vec<[usize; 2]> = pairs.filter(have_one_server).collect();
        if !may_be || pairs.is_empty() || !dice.hits(RELAY) {
            return;
        }
        let [from, to] = *dice.pick(&pairs);
        limits::replace(&mut self.limits, self.edges[from].client, limits::terse());
        limits::replace(&mut self.limits, self.edges[to].client, limits::modest());
        self.relay = Some([from, to]);
    }

    /// In some runs a disk fills up, where that is a fault that is on, as a new table comes.
    fn draw_album(&mut self) {
        let dice = &mut Dice::of(self.seed, "album", 0);
        let edges = self.open_edges();
        if self.faults.contains_key(&Fault::DiskFull) && !edges.is_empty() && dice.hits(ALBUM) {
            self.features.insert(Feature::Tables);
            self.album = Some(*dice.pick(&edges));
        }
    }

    /// In half of the runs with many files there are some more later. Where they make several clusters, limits are those that
    /// are shipped: one artifact a round would take all the time that there is.
    fn draw_more_bulk(&mut self) {
        let dice = &mut Dice::of(self.seed, "more bulk", 0);
        if self.bulk > 0 && dice.hits(Ratio::new(1, 2)) {
            self.more_bulk = dice.between(100, 120);
        }
        if self.makes_several_clusters() {
            self.limits.iter_mut().for_each(|limits| *limits = Limits::default());
            self.budgets.iter_mut().for_each(|budgets| *budgets = Budgets::default());
        }
    }

    /// In some runs most of those that ask anybody are daemons.
    fn draw_daemons(&mut self) {
        let chance = if self.level == Level::Calm { Ratio::new(1, 6) } else { Ratio::new(1, 4) };
        if !Dice::of(self.seed, "daemons", 0).hits(chance) {
            return;
        }
        for peer in self.edges.iter().map(|edge| edge.client) {
            let drawn = Dice::of(self.seed, "daemon", peer as u64).hits(Ratio::new(3, 4));
            if drawn && self.stock[peer].is_none() {
                self.daemons.insert(peer);
            }
        }
    }

    /// Where rows and settings travel, some clients may do everything.
    fn draw_admins(&mut self) {
        if !self.features.contains(&Feature::Tables) && !self.features.contains(&Feature::Configuration) {
            return;
        }
        let travels = self.features.contains(&Feature::Configuration);
        let chance = if travels { Ratio::new(1, 2) } else { Ratio::new(1, 3) };
        for (number, edge) in self.edges.iter_mut().enumerate() {
            let dice = &mut Dice::of(self.seed, "admin", number as u64);
            if self.stock[edge.client].is_some() || self.stock[edge.server].is_some() {
                continue;
            }
            if edge.login == Login::Password && dice.hits(chance) {
                edge.letters = *dice.pick(&ADMIN);
            }
        }
    }

    /// A clone needs an edge with the right to clone and pull, and a server that was there before.
    fn draw_births(&mut self, draws: &mut Draws) {
        for node in 1..self.births.len() {
            let first = self.edges.iter_mut().find(|edge| edge.client == node);
            let Some(edge) = first.filter(|edge| edge.server < node) else { continue };
            if draws.on("birth", node).hits(Ratio::new(1, 3)) {
                edge.login = if edge.login == Login::Wrong { Login::Password } else { edge.login };
                if edge.login == Login::Nobody {
                    self.nobody[edge.server] = GUEST;
                } else if LESS.contains(&edge.letters) {
                    let dice = &mut Dice::of(self.seed, "letters of a birth", node as u64);
                    edge.letters = if self.edition == Edition::First { "gio" } else { *dice.pick(&BIRTH) };
                }
                self.births[node] = Birth::Clone;
            }
        }
    }
}

fn edge(dice: &mut Dice, client: usize, server: usize, level: Level) -> Edge {
    let full = dice.hits(Ratio::new(7, 8));
    let letters = *if full { dice.pick(&FULL) } else { dice.pick(&LESS) };
    let login = match dice.below(16) {
        0 => Login::Nobody,
        1 if level == Level::Hostile => Login::Wrong,
        _ => Login::Password,
    };
    let private = letters.contains('x') && login == Login::Password && dice.hits(Ratio::new(3, 4));
    Edge { client, server, login, letters, private, unversioned: dice.hits(Ratio::new(2, 3)) }
}

/// Most calm runs are small, so that there can be many. Under this turn the calm runs in `seeds.txt` are large.
fn is_small(seed: u64, level: Level) -> bool {
    level == Level::Calm && !Dice::of(seed, "large", 128).hits(Ratio::new(1, 8))
}

/// Peers of a chain whose ends write the same file: two between them, who hear of one version from its maker, and of the other
/// one from each other.
const MAKERS_APART: usize = 4;

/// Whether a run has such a chain.
fn are_makers_apart(seed: u64, level: Level, edition: Edition) -> bool {
    let may = edition >= Edition::Fifth && level != Level::Calm;
    may && Dice::of(seed, "makers apart", 0).hits(Ratio::new(1, 16))
}

/// How many peers a run has that is to have many. Few are, since each takes a lot.
fn many(seed: u64, level: Level, edition: Edition) -> Option<usize> {
    let dice = &mut Dice::of(seed, "many peers", 0);
    let has_many = edition >= Edition::Fourth && level == Level::Hostile && dice.hits(Ratio::new(1, 24));
    has_many.then(|| dice.between(8, 10) as usize)
}

fn framing(seed: u64, level: Level) -> ContentType {
    let plain = level == Level::Calm && Dice::of(seed, "framing", 0).hits(Ratio::new(7, 8));
    if plain { ContentType::Uncompressed } else { ContentType::Compressed }
}

fn skews(seed: u64, level: Level, nodes: usize, edition: Edition) -> Vec<i64> {
    let mut draws = Draws::new(seed, edition, "skews");
    let most = match level {
        Level::Calm => 2_000,
        Level::Rough => 3_600_000,
        Level::Hostile => 80_000_000,
    };
    // Some clocks are right: then two peers write at one time.
    let mut skew = |node| {
        let dice = draws.on("skew", node);
        if dice.hits(Ratio::new(1, 2)) { 0 } else { dice.below(most) as i64 - (most / 2) as i64 }
    };
    (0..nodes).map(&mut skew).collect()
}

/// Who looks at the time costs some: calm runs do not.
fn step(seed: u64, level: Level, edition: Edition) -> Option<u64> {
    match (level, edition) {
        (Level::Calm, _) => None,
        (_, Edition::First) => Some(1),
        (_, _) => Some(*Dice::of(seed, "step of clocks", 0).pick(&[1, 1, 1, 400])),
    }
}

/// Files of the large check-in. Few runs have so many that they make several clusters.
fn bulk(dice: &mut Dice, level: Level, edition: Edition) -> u64 {
    // Calm runs are to be many.
    let (chance, several) = match (edition, level) {
        (Edition::First, _) => (Ratio::new(1, 20), Ratio::NEVER),
        (_, Level::Calm) => (Ratio::new(1, 14), Ratio::new(1, 40)),
        (_, _) => (Ratio::new(1, 20), Ratio::new(1, 12)),
    };
    if !dice.hits(chance) {
        0
    } else if edition != Edition::First && dice.hits(several) {
        dice.between(SEVERAL_CLUSTERS + 1, SEVERAL_CLUSTERS + 100)
    } else {
        dice.between(100, 130)
    }
}
