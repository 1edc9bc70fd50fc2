/*
 * Keep a copy of all stories as they are now, with their briefs: from stories.v1 and story_briefs.v1, in a file.
 *
 * npm ci
 * node mirror_stories.mjs 127.0.0.1:9092 mirror.state        keep it current, until Ctrl-C
 * node mirror_stories.mjs show mirror.state STORY_ID         print a story; the id of one that was merged leads on
 */
import { existsSync, rmSync, statSync, utimesSync } from 'node:fs'
import { readTopics } from './read_topics.mjs'
import { State } from './state.mjs'

// The broker keeps a deletion (a record without a value) for a day; whoever was away longer may have missed one, and reads anew.
const DELETIONS_KEPT_MS = 20 * 3_600_000
/** @typedef {import('./slugline.d.ts').Story} Story */
/** @typedef {import('./slugline.d.ts').Brief} Brief */

/** @param {string} broker @param {string} path */
async function mirror(broker, path) {
  if (existsSync(path) && statSync(path).mtimeMs < Date.now() - DELETIONS_KEPT_MS) rmSync(path)
  /** @type {State<Story | Brief>} */
  const state = new State(path)
  state.compact()
  setInterval(() => utimesSync(path, new Date(), new Date()), 60_000) // quiet topics are current, too
  await readTopics(broker, ['stories.v1', 'story_briefs.v1'], state.offsets, (records, topic, place, next) => {
    /** @type {Map<string, Story | Brief | null>} */
    const rows = new Map()
    for (const record of records) {
      const key = `${topic}/${record.key}`
      const row = record.value === null ? null : JSON.parse(String(record.value))
      const before = rows.has(key) ? rows.get(key) : state.rows.get(key)
      if (!row || !before || version(row) >= version(before)) rows.set(key, row)
    }
    state.commit(rows, place, next)
  })
}

/** @param {Story | Brief} row */
function version(row) {
  return 'revision' in row ? row.revision : row.story_revision
}

/** @param {string} path @param {string} storyId */
function show(path, storyId) {
  /** @type {State<any>} */
  const state = new State(path)
  /** @type {Story | undefined} */
  let story = state.rows.get(`stories.v1/${storyId}`)
  while (story?.redirect_to) story = state.rows.get(`stories.v1/${story.redirect_to}`)
  if (!story) throw new Error(`there is no story ${storyId}`)
  console.log(`${story.headline} (${story.article_count} articles)`)
  /** @type {Brief | undefined} */
  const brief = state.rows.get(`story_briefs.v1/${story.story_id}`)
  for (const { heading, sentences } of brief?.sections ?? []) {
    console.log(`\n${heading}\n${sentences.map(line => `${line.text} [${line.citations.join(', ')}]`).join(' ')}`)
  }
}

const [first, ...rest] = process.argv.slice(2)
if (first === 'show') show(rest[0], rest[1])
else await mirror(first ?? '127.0.0.1:9092', rest[0] ?? 'mirror.state')
