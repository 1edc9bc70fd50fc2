import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

/**
 * Rows and offsets in one file, a line a batch, so that both are kept or neither. A transaction of your database does the same.
 * @template Row
 */
export class State {
  /** @type {Map<string, Row>} */
  rows = new Map()
  /** The next offset by "topic/partition". @type {Map<string, string>} */
  offsets = new Map()
  #path

  /** @param {string} path */
  constructor(path) {
    this.#path = path
    for (const line of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
      try {
        this.#take(JSON.parse(line))
      } catch {
        // the empty end, or a line that a crash cut off: it was never committed
      }
    }
  }

  /** Write the file anew without what has been replaced since; for its one writer, before its first commit. */
  compact() {
    const lines = [...this.rows].map(row => JSON.stringify({ rows: [row], offsets: [] }))
    lines.push(JSON.stringify({ rows: [], offsets: [...this.offsets] }))
    writeFileSync(`${this.#path}.new`, `${lines.join('\n')}\n`)
    renameSync(`${this.#path}.new`, this.#path)
  }

  /**
   * Keep rows (null deletes) together with where to read on.
   * @param {Map<string, Row | null>} rows
   * @param {string} [place]
   * @param {string} [next]
   */
  commit(rows, place, next) {
    const entry = { rows: [...rows], offsets: place ? [[place, next]] : [] }
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`)
    this.#take(entry)
  }

  /** @param {any} entry */
  #take({ rows, offsets }) {
    for (const [key, row] of rows) row === null ? this.rows.delete(key) : this.rows.set(key, row)
    for (const [place, next] of offsets) this.offsets.set(place, next)
  }
}
