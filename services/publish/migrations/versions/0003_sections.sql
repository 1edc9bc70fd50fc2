-- Topic sections to begin with; an operator changes them by `slugline views`. A story stands in a section when an article of it
-- was filed there by its outlet (names in any case), or its headline has the words.
INSERT INTO feed_views (feed, kind, title, position, section_names, words) VALUES
('section/world', 'section', 'World', 10, '{world,"world news",international,internacional,mundo,welt,ausland,international news,monde}', ''),
('section/politics', 'section', 'Politics', 20, '{politics,política,politica,politik,politique,government,elections}', 'parliament or minister or president or senate or election or parlamento or elecciones or bundestag or wahl'),
('section/business', 'section', 'Business', 30, '{business,economy,economics,finance,markets,money,economía,economia,negocios,wirtschaft,finanzen,économie}', '"interest rate" or inflation or "stock market" or inflación or inflation or zinsen or börse'),
('section/technology', 'section', 'Technology', 40, '{technology,tech,tecnología,tecnologia,technik,digital,technologie,netzwelt}', 'software or semiconductor or "artificial intelligence" or "inteligencia artificial" or "künstliche intelligenz"'),
('section/science', 'section', 'Science', 50, '{science,ciencia,wissenschaft,wissen,sciences,space,environment,climate}', 'scientists or researchers or telescope or científicos or forscher or forscherinnen'),
('section/health', 'section', 'Health', 60, '{health,salud,sanidad,gesundheit,santé,medicine}', 'hospital or vaccine or outbreak or vacuna or impfstoff or krankenhaus'),
('section/sport', 'section', 'Sport', 70, '{sport,sports,deportes,deporte,fußball,fussball,football,sporten}', ''),
('section/culture', 'section', 'Culture', 80, '{culture,arts,"arts & culture",entertainment,books,film,music,cultura,kultur,feuilleton}', '')
ON CONFLICT DO NOTHING;
