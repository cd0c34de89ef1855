// Answers the page's requests about rooms in the browser, for tests that need rooms of any kind.
// Everything else goes to the daemon. `rooms` and `conferences` are what it has, `sent` the changes
// that it was asked for, `reads` the paths that were read; `refuse` makes it refuse all changes.

const real = fetch;
Object.assign(window, { rooms: [], conferences: [], sent: [], reads: [], refuse: undefined, session: {} });

const ok = (body) => Response.json(body);
const refused = (status, error) => Response.json({ error }, { status });

window.participant = (id, caller_id, more = {}) => ({
  id, call_id: id.startsWith("od-") ? id : null, room: "R1", number: null, caller_id,
  joined: "2026-11-27T12:00:00.000Z", muted: false, talking: null, waiting: false, admin: false, ...more,
});

window.room = (room, participants, more = {}) => ({
  room, conference_id: `cf-${room}`, live: true, stale: false, started: "2026-11-27T11:59:00.000Z",
  locked: false, muted: false, participants: participants.map((one) => Object.assign(one, { room })), invited: [], ...more,
});

const withCount = (room) => ({ ...room, participant_count: room.participants.length });

function listed(room) {
  const { participants, invited, ...rest } = withCount(room);
  return rest;
}

function change(method, path, body, room, id) {
  sent.push({ method, path, body });
  if (refuse) return refused(...refuse);
  const participant = room.participants.find((one) => one.id === id);
  if (id !== undefined && !participant) return refused(404, "no such participant");
  if (method === "DELETE") {
    if (participant) room.participants.splice(room.participants.indexOf(participant), 1);
    else rooms.splice(rooms.indexOf(room), 1);
    return ok({ message: "ok" });
  }
  if (body.room) room.participants.splice(room.participants.indexOf(participant), 1);
  Object.assign(participant ?? room, body);
  return ok(participant ?? withCount(room));
}

window.fetch = async (path, options = {}) => {
  const [, api, encoded, part, id] = /^api\/(rooms|conferences|session)\/?([^/?]*)(?:\/([^/]*)\/([^/]*))?/.exec(path) ?? [];
  const method = options.method ?? "GET";
  if (api === "session" && method !== "DELETE") {
    const response = await real(path, options);
    return response.ok ? ok({ ...(await response.json()), ...session }) : response;
  }
  if (api !== "rooms" && api !== "conferences") return real(path, options);
  if (method === "GET") reads.push(path);
  const name = decodeURIComponent(encoded);
  if (api === "conferences") {
    const one = conferences.find((conference) => conference.conference_id === name);
    if (name) return one ? ok(one) : refused(404, "no such conference");
    const wanted = new URLSearchParams(path.split("?")[1]).get("room");
    const matches = conferences.filter(({ room }) => !wanted || room.toLowerCase() === wanted.toLowerCase());
    return ok({ conferences: matches.map((c) => ({ ...c, participants: c.participants.length })), next: null, history: "ok" });
  }
  if (!name) return ok({ rooms: rooms.map(listed), total: rooms.length, state: "ok", as_of: "r-1" });
  const room = rooms.find((one) => one.room.toLowerCase() === name.toLowerCase());
  if (!room) return refused(404, "no such room");
  if (method === "GET") return ok(withCount(room));
  return change(method, path, options.body && JSON.parse(options.body), room, part && decodeURIComponent(id));
};
