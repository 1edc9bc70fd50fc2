"""The pure step of enrich: an Article becomes a StoryInput without its text."""

from shared.contracts import Article, ArticleStatus, EnrichedArticle, Features, InputKind, StoryInput


def to_story_input(article: Article, features: Features | None) -> StoryInput:
    """Combine an article and its features; a withdrawn article has none."""
    return StoryInput(
        kind=InputKind.ARTICLE,
        article=EnrichedArticle(
            article_id=article.article_id,
            version=article.version,
            status=article.status,
            title=article.title,
            url=article.url,
            publisher=article.publisher,
            language=article.language,
            published_at=article.published_at,
            fetched_at=article.fetched_at,
            features=features,
        ),
    )


def needs_features(article: Article) -> bool:
    """Say whether clustering looks at the article at all."""
    return article.status is ArticleStatus.PUBLISHED
