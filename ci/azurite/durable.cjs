// Makes Azurite keep what it acknowledged when it is killed, as the real service does.
//
// Azurite writes page data to disk before it answers, but the databases that say where they are only every 5 seconds
// (`autosaveInterval` in its LokiBlobMetadataStore and LokiExtentMetadataStore). Loaded by `node --require` with
// Azurite's main.js as the script, this saves them earlier: extents before any blob can refer to them, blobs before a
// changing request is answered.
'use strict';

const http = require('node:http');
const path = require('node:path');

const sources = path.resolve(path.dirname(process.argv[1]), '..');
const Loki = require(require.resolve('lokijs', { paths: [sources] }));
const Extents = require(path.join(sources, 'common/persistence/LokiExtentMetadataStore.js')).default;

const databases = new Set();
const addCollection = Loki.prototype.addCollection;
Loki.prototype.addCollection = function (...args) {
  databases.add(this);
  return addCollection.apply(this, args);
};

// Always a save that starts after the call: Loki queues the callback when one is under way.
const save = (database) =>
  new Promise((resolve, reject) => database.saveDatabase((error) => (error ? reject(error) : resolve())));

const saveOrDie = (jobs) =>
  Promise.all(jobs).catch((error) => {
    console.error('cannot save the database:', error);
    process.exit(1);
  });

const updateExtent = Extents.prototype.updateExtent;
if (typeof updateExtent !== 'function') throw new Error('this Azurite has no LokiExtentMetadataStore.updateExtent');
Extents.prototype.updateExtent = async function (...args) {
  const result = await updateExtent.apply(this, args);
  await saveOrDie([save(this.db)]);
  return result;
};

const end = http.ServerResponse.prototype.end;
http.ServerResponse.prototype.end = function (...args) {
  if (this.req.method === 'GET' || this.req.method === 'HEAD') return end.apply(this, args);
  saveOrDie([...databases].map(save)).then(() => end.apply(this, args));
  return this;
};
