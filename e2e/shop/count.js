// Says which tags have run.
window.tags = [];
window.ran = (name) => window.tags.push(name);
