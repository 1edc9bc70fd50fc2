// What the examples read of Slugline's messages; whole: shared/contracts/schemas. Fields may be added: ignore what you don't know.

export interface StoryUpdated {
  story_id: string
  revision: number
  /** An open list: take an unknown one as "changed, read the state". */
  reason: string
  article_count: number
  headline: string
  redirect_to: string | null
}

export interface Story {
  story_id: string
  revision: number
  article_count: number
  headline: string
  redirect_to: string | null
}

export interface Brief {
  story_id: string
  story_revision: number
  sections: { heading: string, sentences: { text: string, citations: number[] }[] }[]
}
