// Stands in for __gpp until the script is there: keeps listeners and calls, as tags of others do.
window.events = [];
window.answers = {};
window.__gpp = (...call) => window.__gpp.queue.push(call);
window.__gpp.queue = [["hasSection", (data) => (window.answers.early = data), "usca"]];
window.__gpp.events = [{ id: 7, callback: (event) => window.events.push([event.eventName, event.data]) }];
window.__gpp.lastId = 7;
