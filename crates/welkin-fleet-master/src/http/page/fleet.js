// The fleet as it was last told, and how it is shown.

const TONE = {
  "ready": "good", "starting": "busy", "draining": "busy", "stopping": "busy", "not-ready": "warn",
  "backing-off": "warn", "failed": "bad", "unknown": "calm", "stopped": "calm",
};
const STATES = Object.keys(TONE);

const fleet = { state: null, machines: {}, nodes: {}, online: [] };
const cards = new Map();
const rows = new Map();
const pressed = new Set();

function makeFigure(parent, kind, label) {
  const figure = make("div", "figure " + kind, parent);
  const text = make("span", "", figure);
  make("small", "", text).textContent = label;
  const value = make("span", "", text);
  return { value, line: makeLine(figure, label + ", last 10 minutes") };
}

function makeCard(name) {
  const root = make("section", "card");
  const head = make("div", "machine", root);
  const title = make("div", "", head);
  make("h2", "", title).textContent = name;
  const card = { root, sub: make("p", "sub", title) };
  card.cpu = makeFigure(head, "cpu", "CPU");
  card.mem = makeFigure(head, "mem", "Mem");
  card.rest = make("div", "rest", head);
  card.nodes = make("div", "nodes", root);
  root.dataset.machine = name;
  return card;
}

function showCard(card, machine, own) {
  dress(card.root, machine.connected ? "card" : "card away");
  const late = Math.abs(machine.offset) > 2000 ? " · clock off by " + span(Math.abs(machine.offset)) : "";
  const net = known(machine.rx) ? " · ↓ " + bytes(machine.rx) + "/s ↑ " + bytes(machine.tx) + "/s" : "";
  say(card.sub, (machine.connected ? count(own, "node", "nodes") + net : "agent not connected") + late);
  say(card.cpu.value, percent(machine.cpu));
  say(card.mem.value, machine.mem ? part(machine.mem[0], machine.mem[1]) : "–");
  const rest = [];
  if (known(machine.load)) rest.push("load " + machine.load.toFixed(1));
  if (machine.disk) rest.push("disk " + percent(machine.disk[0] * 100 / Math.max(machine.disk[1], 1)));
  say(card.rest, rest.join(" · "));
  card.rest.title = machine.disk ? machine.disk[2] + ": " + part(machine.disk[0], machine.disk[1]) : "";
}

function makeRow(name) {
  const root = make("div", "node");
  root.dataset.node = name;
  const row = { root, state: make("span", "state", root) };
  const title = make("span", "name", root);
  make("b", "", title).textContent = name;
  row.group = make("span", "", title);
  const online = make("span", "online", root);
  row.online = make("span", "", online);
  row.players = make("small", "", online);
  row.cpu = makeFigure(root, "cpu", "CPU");
  row.mem = makeFigure(root, "mem", "Mem");
  row.life = make("span", "life", root);
  row.why = make("p", "why", root);
  return row;
}

function showRow(row, node) {
  const tone = TONE[node.state] || "calm";
  dress(row.root, "node " + tone + (known(node.age) ? " old" : ""));
  say(row.state, node.state);
  say(row.group, node.group || "");
  say(row.online, known(node.online) ? node.online.toLocaleString("en") : "–");
  say(row.players, known(node.online) ? "online" : "");
  const runs = known(node.cpu) || known(node.mem);
  say(row.cpu.value, percent(node.cpu));
  say(row.mem.value, bytes(node.mem));
  row.cpu.line.classList.toggle("none", !runs);
  const life = [];
  if (node.restarts) life.push("↻ " + node.restarts);
  if (known(node.since)) life.push(span(fleet.state.now - node.since));
  if (node.release) life.push(node.release.slice(0, 7));
  say(row.life, life.join(" · "));
  row.life.title = node.release ? "release " + node.release : "";
  const last = node.state === "unknown" && known(node.age)
    ? "last known: " + node.last + ", " + span(node.age) + " ago" : "";
  const why = [last, node.reason].filter(Boolean).join("; ");
  say(row.why, why);
  row.why.hidden = !why;
}

// Puts children in that order, moving only what stands elsewhere.
function arrange(parent, children) {
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] || null);
  });
  while (parent.children.length > children.length) parent.lastChild.remove();
}

function keep(known_, names, create) {
  const wanted = new Set(names);
  for (const [name, { root }] of known_) {
    if (wanted.has(name)) continue;
    sight.unobserve(root);
    seen.delete(root);
    known_.delete(name);
  }
  for (const name of names) {
    if (known_.has(name)) continue;
    known_.set(name, create(name));
    sight.observe(known_.get(name).root);
  }
}

function isShown(node, words) {
  if (pressed.size && !pressed.has(node.state)) return false;
  const text = [node.name, node.group || "", node.machine].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function nodesByMachine() {
  const all = new Map();
  for (const node of fleet.state.nodes) {
    if (!all.has(node.machine)) all.set(node.machine, []);
    all.get(node.machine).push(node);
  }
  return all;
}

function showMachines() {
  const state = fleet.state;
  // A node may be for a machine that has never joined.
  const named = new Set(state.machines.map((machine) => machine.name));
  const nodes = nodesByMachine();
  const missing = [...nodes.keys()].filter((name) => !named.has(name));
  const machines = state.machines.concat(missing.map((name) => ({ name, connected: false, offset: 0 })));
  keep(cards, machines.map((machine) => machine.name), makeCard);
  keep(rows, state.nodes.map((node) => node.name), makeRow);
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const filtered = pressed.size > 0 || words.length > 0;
  const visible = [];
  for (const machine of machines) {
    const card = cards.get(machine.name);
    const all = nodes.get(machine.name) || [];
    showCard(card, machine, all.length);
    const own = all.filter((node) => isShown(node, words));
    own.forEach((node) => showRow(rows.get(node.name), node));
    arrange(card.nodes, own.map((node) => rows.get(node.name).root));
    if (own.length || !filtered) visible.push(card.root);
  }
  arrange(byId("machines"), visible);
  byId("empty").hidden = machines.length > 0;
}

function showChips(counts) {
  const chips = byId("chips");
  if (!chips.children.length) {
    for (const word of STATES) {
      const chip = make("button", "chip", chips);
      chip.type = "button";
      chip.dataset.state = word;
      make("b", "", chip);
      chip.append(word);
      chip.addEventListener("click", () => {
        if (!pressed.delete(word)) pressed.add(word);
        chip.setAttribute("aria-pressed", String(pressed.has(word)));
        showState();
      });
    }
  }
  for (const chip of chips.children) {
    const word = chip.dataset.state, number = counts[word] || 0;
    say(chip.firstChild, String(number));
    dress(chip, "chip " + (number ? TONE[word] : "none"));
    chip.hidden = !number && word !== "ready" && !pressed.has(word);
  }
}

function showRoll(roll) {
  byId("roll").hidden = !roll;
  if (!roll) return;
  const what = roll.rollback ? "Rollback" : "Update";
  const to = [roll.label, roll.release && roll.release.slice(0, 7)].filter(Boolean).join(" · ");
  say(byId("roll-title"), [roll.paused ? what + " paused" : what, to].filter(Boolean).join(" · "));
  say(byId("roll-count"), roll.done + " of " + count(roll.all, "node", "nodes"));
  byId("roll-bar").max = Math.max(roll.all, 1);
  byId("roll-bar").value = roll.done;
  const steps = { fetch: "the machines fetch it", check: "it is checked", roll: "nodes are switched", back: "nodes go back" };
  say(byId("roll-text"), [steps[roll.step] || roll.step, roll.by ? "asked by " + roll.by : "", roll.failure || ""].filter(Boolean).join(" · "));
  byId("roll").classList.toggle("bad", Boolean(roll.failure));
}

function showState() {
  const state = fleet.state;
  if (!state) return;
  const name = state.fleet || "Fleet";
  const counts = {};
  state.nodes.forEach((node) => { counts[node.state] = (counts[node.state] || 0) + 1; });
  const trouble = ["failed", "unknown", "not-ready", "backing-off"].filter((word) => counts[word]);
  const up = state.machines.filter((machine) => machine.connected).length;
  say(byId("fleet"), name);
  say(byId("summary"), !state.nodes.length ? "No nodes yet."
    : trouble.length ? count(state.nodes.length, "node", "nodes") + ": " + trouble.map((word) => counts[word] + " " + word).join(", ")
    : "All is well: " + (counts.ready || 0) + " of " + count(state.nodes.length, "node", "nodes") + " ready");
  document.title = (trouble.length ? "(" + trouble.reduce((sum, word) => sum + counts[word], 0) + ") " : "") + name;
  say(byId("players"), known(state.online) ? state.online.toLocaleString("en") : "–");
  say(byId("machines-up"), up + " / " + state.machines.length);
  showChips(counts);
  showRoll(state.roll);
  showMachines();
}

function drawMachine(name) {
  const card = cards.get(name), [cpu, mem] = fleet.machines[name] || [[], []];
  drawLine(card.cpu.line, cpu, 100);
  drawLine(card.mem.line, mem, 100);
}

function drawNode(name) {
  const row = rows.get(name), [cpu, mem] = fleet.nodes[name] || [[], []];
  drawLine(row.cpu.line, cpu, highest(cpu, 20) * 1.1);
  drawLine(row.mem.line, mem, highest(mem, 1) * 1.25);
}

function drawLinesOf({ dataset }) {
  if (dataset.node) drawNode(dataset.node);
  else drawMachine(dataset.machine);
}

// Lines are drawn where somebody may see them: a thousand nodes have two thousand.
const seen = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) seen.delete(target);
    else if (!seen.has(target)) {
      seen.add(target);
      drawLinesOf(target);
    }
  }
}, { rootMargin: "300px" });

function showLines() {
  seen.forEach(drawLinesOf);
  drawLine(byId("players-line"), fleet.online, highest(fleet.online, 1) * 1.1);
}

function showAudit(audit) {
  say(byId("audit-total"), audit.total > audit.lines.length ? "last " + audit.lines.length + " of " + audit.total.toLocaleString("en") : "");
  const today = new Date().toDateString();
  const lines = audit.lines.slice().reverse().map((line) => {
    const item = make("li");
    const time = make("time", "", item);
    const at = new Date(line.unix_ms);
    time.dateTime = at.toISOString();
    const clock = at.toTimeString().slice(0, 8);
    time.textContent = at.toDateString() === today ? clock : at.toISOString().slice(5, 10) + " " + clock;
    make("span", "who", item).textContent = line.who;
    item.title = line.from;
    make("span", "command", item).textContent = line.command;
    make("span", "target", item).textContent = line.target;
    const bad = /^(refused|failed|not permitted|error|forbidden|timed out)/i.test(line.result);
    make("span", "result" + (bad ? " bad" : ""), item).textContent = line.result;
    return item;
  });
  byId("audit").replaceChildren(...lines);
}
