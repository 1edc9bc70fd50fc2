/*
 * Take Slugline's webhooks: check each signature, act on each event once, keep which stories stand in the feed.
 *
 * SLUGLINE_WEBHOOK_SECRET=whsec_… node receive_webhooks.mjs 8091 received.state
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { State } from './state.mjs'

const TOLERANCE_S = 300
const [port = '8091', path = 'received.state'] = process.argv.slice(2)
const secret = Buffer.from((process.env.SLUGLINE_WEBHOOK_SECRET ?? '').replace('whsec_', ''), 'base64')
/** Rows are "event/ID" (it came before) and "story/FEED/ID". @type {State<any>} */
const state = new State(path)
state.compact()

/**
 * Give the event's id. Throws where it is not signed by this secret, and now (Standard Webhooks 1.0).
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @param {Buffer} body
 */
function verify(headers, body) {
  const timestamp = Number(headers['webhook-timestamp'])
  if (!(Math.abs(Date.now() / 1000 - timestamp) < TOLERANCE_S)) throw new Error('sent too long ago, or the clocks differ')
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
  const expected = Buffer.from(`v1,${createHmac('sha256', secret).update(signed).digest('base64')}`)
  const signatures = String(headers['webhook-signature']).split(' ').map(one => Buffer.from(one))
  if (!signatures.some(one => one.length === expected.length && timingSafeEqual(one, expected))) throw new Error('not signed by our secret')
  return String(headers['webhook-id'])
}

/** @param {string} id @param {any} event */
function take(id, event) {
  if (state.rows.has(`event/${id}`)) return
  const rows = new Map([[`event/${id}`, /** @type {any} */ (true)]])
  const { feed, story } = event.data
  if (event.type === 'story.left') rows.set(`story/${feed}/${story.story_id}`, null)
  else if (event.type === 'story.entered' || event.type === 'story.changed') rows.set(`story/${feed}/${story.story_id}`, story)
  state.commit(rows)
  console.log(`${event.type.padStart(14)}  ${story?.headline ?? ''}`)
}

createServer(async (request, response) => {
  /** @type {Buffer[]} */
  const parts = []
  for await (const part of request) parts.push(part)
  const body = Buffer.concat(parts)
  try {
    const id = verify(request.headers, body)
    take(id, JSON.parse(String(body)))
    response.writeHead(204).end()
  } catch (error) {
    // Any answer but 2xx, or none, and it comes again.
    response.writeHead(401).end(String(error))
  }
}).listen(Number(port), '127.0.0.1')
