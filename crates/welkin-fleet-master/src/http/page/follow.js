// Listens to the master and shows what it says.

let heard = 0, open = false;

function addPoint(lines, point, points) {
  for (const name of Object.keys(lines)) if (!(name in point)) delete lines[name];
  const length = fleet.online.length;
  for (const [name, values] of Object.entries(point)) {
    const line = lines[name] || (lines[name] = values.map(() => new Array(length).fill(null)));
    values.forEach((value, at) => {
      line[at].push(value);
      if (line[at].length > points) line[at].shift();
    });
  }
}

const hear = {
  state(data) { fleet.state = data; showState(); },
  audit: showAudit,
  lines(data) {
    Object.assign(fleet, { machines: data.machines, nodes: data.nodes, online: data.online, points: data.points });
    showLines();
  },
  point(data) {
    addPoint(fleet.machines, data.machines, fleet.points);
    addPoint(fleet.nodes, data.nodes, fleet.points);
    fleet.online.push(data.online);
    if (fleet.online.length > fleet.points) fleet.online.shift();
    showLines();
  },
};

function showLive() {
  const silent = Date.now() - heard;
  const on = open && silent < 8000;
  dress(byId("live"), "live " + (on ? "on" : heard ? "off" : ""));
  say(byId("live-text"), on ? "live" : heard ? "no contact for " + span(silent) : "connecting");
}

function follow() {
  const events = new EventSource("/events");
  events.onopen = () => { open = true; };
  events.onerror = () => {
    open = false;
    showLive();
    // Refused is final for the browser; the master may be starting.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  for (const [name, take] of Object.entries(hear)) {
    events.addEventListener(name, (event) => {
      heard = Date.now();
      take(JSON.parse(event.data));
      if (name === "state" && !fleet.drawn) { fleet.drawn = true; showLines(); }
      showLive();
    });
  }
}

byId("filter").addEventListener("input", showState);
setInterval(showLive, 1000);
follow();
