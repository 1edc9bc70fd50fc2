/*
 * Follow Slugline's stories: print each change once, resume where it stopped, follow merges, notice a gap in revisions.
 *
 * npm ci && node follow_stories.mjs 127.0.0.1:9092 follow_stories.state
 */
import { readTopics } from './read_topics.mjs'
import { State } from './state.mjs'

const [broker = '127.0.0.1:9092', path = 'follow_stories.state'] = process.argv.slice(2)
/** The revision that we have of each story. @type {State<number>} */
const state = new State(path)
state.compact()

await readTopics(broker, ['story_updates.v1'], state.offsets, (records, _, place, next) => {
  /** @type {Map<string, number>} */
  const seen = new Map()
  for (const record of records) {
    /** @type {import('./slugline.d.ts').StoryUpdated} */
    const event = JSON.parse(String(record.value))
    const before = seen.get(event.story_id) ?? state.rows.get(event.story_id) ?? 0
    if (event.revision <= before) continue // a repeat
    if (event.revision > before + 1) {
      console.log(`gap: ${event.story_id} went from ${before} to ${event.revision}; read its present state in stories.v1`)
    }
    console.log(`${event.reason.padStart(18)}  ${String(event.article_count).padStart(3)} articles  ${event.headline}`)
    if (event.redirect_to) console.log(`${''.padStart(18)}  ${event.story_id} lives on as ${event.redirect_to}`)
    seen.set(event.story_id, event.revision)
  }
  state.commit(seen, place, next)
})
