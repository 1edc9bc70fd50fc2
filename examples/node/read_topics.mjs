import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'

/**
 * Read all partitions of some topics for ever, from where `offsets` say. Only committed records come: that is KafkaJS's habit.
 * The group is this process' own and commits nothing, since the offsets are kept with what was made of the records.
 * @param {string} broker
 * @param {string[]} topics
 * @param {ReadonlyMap<string, string>} offsets
 * @param {(records: kafkajs.KafkaMessage[], topic: string, place: string, next: string) => void} take
 */
export async function readTopics(broker, topics, offsets, take) {
  const kafka = new kafkajs.Kafka({ clientId: 'slugline-example', brokers: broker.split(','), logLevel: kafkajs.logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: `slugline-reader-${randomUUID()}`, maxWaitTimeInMs: 500 })
  consumer.on('consumer.group_join', () => {
    for (const [place, offset] of offsets) {
      const [topic, partition] = place.split('/')
      consumer.seek({ topic, partition: Number(partition), offset })
    }
  })
  consumer.on('consumer.crash', ({ payload }) => {
    console.error(`${payload.error.message}; ${payload.restart ? 'tries again' : 'ends'}`)
    if (!payload.restart) process.exit(1)
  })
  await consumer.connect()
  await consumer.subscribe({ topics, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      take(batch.messages, batch.topic, `${batch.topic}/${batch.partition}`, String(BigInt(batch.lastOffset()) + 1n))
    },
  })
}
