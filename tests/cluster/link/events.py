"""Made-up events told in several languages: (title, lead) by event and language. Pairs of look-alikes stand side by side."""

from typing import Final

EVENTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "quake-north": {
        "en": ("Magnitude 6.3 earthquake hits Tarvanel, 48 dead", "A 6.3 magnitude earthquake struck the mountain town of Tarvanel early on Tuesday, killing at least 48 people, officials said."),
        "es": ("Un terremoto de magnitud 6,3 sacude Tarvanel y deja 48 muertos", "Un sismo de magnitud 6,3 golpeó la localidad montañosa de Tarvanel la madrugada del martes y causó al menos 48 muertos, según las autoridades."),
        "ru": ("Землетрясение магнитудой 6,3 в Тарванеле: 48 погибших", "Землетрясение магнитудой 6,3 произошло рано утром во вторник в горном городе Тарванель, погибли не менее 48 человек, сообщили власти."),
        "ko": ("타르바넬에 규모 6.3 지진, 48명 사망", "화요일 새벽 산악 도시 타르바넬에서 규모 6.3의 지진이 발생해 최소 48명이 숨졌다고 당국이 밝혔다."),
        "ja": ("タルバネルでマグニチュード6.3の地震、48人死亡", "火曜日未明、山間の町タルバネルでマグニチュード6.3の地震が発生し、少なくとも48人が死亡したと当局が発表した。"),
    },
    "quake-coast": {
        "en": ("Strong earthquake off Port Issuna damages harbour", "An earthquake of magnitude 5.7 off the coast of Port Issuna damaged the harbour and injured 12 people on Wednesday; no tsunami warning was issued."),
        "es": ("Un fuerte sismo frente a Port Issuna daña el puerto", "Un terremoto de magnitud 5,7 frente a la costa de Port Issuna dañó el puerto y dejó 12 heridos el miércoles; no hubo alerta de tsunami."),
        "ru": ("Сильное землетрясение у Порт-Иссуны повредило гавань", "Землетрясение магнитудой 5,7 у побережья Порт-Иссуны в среду повредило гавань, пострадали 12 человек; предупреждения о цунами не было."),
        "ko": ("포트 이수나 앞바다 강진, 항구 파손", "수요일 포트 이수나 앞바다에서 규모 5.7의 지진이 발생해 항구가 파손되고 12명이 다쳤다. 쓰나미 경보는 없었다."),
        "ja": ("ポート・イスナ沖で強い地震、港に被害", "水曜日、ポート・イスナ沖でマグニチュード5.7の地震があり、港が損傷し12人が負傷した。津波警報は出ていない。"),
    },
    "final-one": {
        "en": ("Dravec beat Olmary 2-1 to win the Lakes Cup", "Striker Ivo Marantz scored twice as Dravec beat Olmary 2-1 in the final of the Lakes Cup in front of 41,000 fans."),
        "de": ("Dravec schlägt Olmary 2:1 und gewinnt den Seenpokal", "Stürmer Ivo Marantz traf zweimal beim 2:1 von Dravec gegen Olmary im Finale des Seenpokals vor 41.000 Zuschauern."),
        "it": ("Il Dravec batte l'Olmary 2-1 e vince la Coppa dei Laghi", "L'attaccante Ivo Marantz ha segnato due gol nella vittoria per 2-1 del Dravec sull'Olmary nella finale della Coppa dei Laghi davanti a 41.000 tifosi."),
        "zh": ("德拉韦茨2比1击败奥尔马里夺得湖区杯", "前锋伊沃·马兰茨梅开二度，德拉韦茨在湖区杯决赛中以2比1击败奥尔马里，现场观众达4.1万人。"),
    },
    "semi-final": {
        "en": ("Penalties send Sulmere into the Lakes Cup third-place match", "Sulmere's keeper Pal Destin saved two penalties after a goalless semi-final against Harrow Bay, watched by 19,500."),
        "de": ("Sulmere jubelt nach Elfmeterschießen gegen Harrow Bay", "Torwart Pal Destin hielt nach torlosem Halbfinale gegen Harrow Bay zwei Elfmeter für Sulmere; 19.500 Zuschauer sahen zu."),
        "it": ("Il Sulmere vince ai rigori contro l'Harrow Bay", "Il portiere Pal Destin ha parato due rigori dopo la semifinale senza reti contro l'Harrow Bay, davanti a 19.500 spettatori."),
        "zh": ("苏尔米尔点球大战淘汰哈罗湾", "半决赛双方互交白卷，门将帕尔·德斯廷在点球大战中扑出两球，现场观众1.95万人。"),
    },
    "vote-isle": {
        "en": ("Mirela Tosk elected president of Ardovia with 53 percent", "Opposition leader Mirela Tosk won Ardovia's presidential election with 53.4 percent of the vote, the electoral commission said on Monday."),
        "fr": ("Mirela Tosk élue présidente de l'Ardovie avec 53 % des voix", "La cheffe de l'opposition Mirela Tosk a remporté l'élection présidentielle en Ardovie avec 53,4 % des voix, a annoncé lundi la commission électorale."),
        "ar": ("انتخاب ميريلا توسك رئيسة لأردوفيا بنسبة 53 بالمئة", "فازت زعيمة المعارضة ميريلا توسك في الانتخابات الرئاسية في أردوفيا بنسبة 53.4 بالمئة من الأصوات، حسبما أعلنت لجنة الانتخابات يوم الاثنين."),
        "tr": ("Mirela Tosk yüzde 53 oyla Ardovya cumhurbaşkanı seçildi", "Muhalefet lideri Mirela Tosk, Ardovya cumhurbaşkanlığı seçimini oyların yüzde 53,4'ünü alarak kazandı, seçim komisyonu pazartesi günü açıkladı."),
    },
    "vote-mayor": {
        "en": ("Velthaven's mayor loses to a teacher by 212 votes", "Teacher Oskar Lindqvane won the run-off for mayor of Velthaven by 212 votes, ending Rutger Holm's 16 years in office."),
        "fr": ("À Velthaven, un enseignant bat le maire de 212 voix", "L'enseignant Oskar Lindqvane a remporté le second tour des municipales à Velthaven avec 212 voix d'avance, mettant fin à 16 ans de mandat de Rutger Holm."),
        "ar": ("معلم يهزم عمدة فيلتهافن بفارق 212 صوتا", "فاز المعلم أوسكار ليندكفان في جولة الإعادة لمنصب عمدة فيلتهافن بفارق 212 صوتا منهيا 16 عاما من حكم روتغر هولم."),
        "tr": ("Velthaven'de öğretmen, belediye başkanını 212 oyla yendi", "Öğretmen Oskar Lindqvane, Velthaven belediye başkanlığı ikinci turunu 212 oy farkla kazanarak Rutger Holm'un 16 yıllık görevine son verdi."),
    },
    "rates": {
        "en": ("Central bank of Norrland raises rates to 4.75 percent", "Norrland's central bank raised its key interest rate by half a point to 4.75 percent, citing stubborn inflation, governor Ana Beloch said."),
        "pt": ("Banco central da Norrland eleva juros para 4,75%", "O banco central da Norrland elevou a taxa básica de juros em meio ponto, para 4,75%, citando a inflação persistente, disse a governadora Ana Beloch."),
        "pl": ("Bank centralny Norrlandu podnosi stopy do 4,75 proc.", "Bank centralny Norrlandu podniósł główną stopę procentową o pół punktu do 4,75 proc., wskazując na uporczywą inflację, powiedziała prezes Ana Beloch."),
        "ja": ("ノーランド中銀、政策金利を4.75％に引き上げ", "ノーランド中央銀行は根強いインフレを理由に政策金利を0.5ポイント引き上げ4.75％とした。アナ・ベロック総裁が発表した。"),
    },
    "bank-fails": {
        "en": ("Regulators close Castelmar Savings after run on deposits", "Regulators closed Castelmar Savings on Friday after customers withdrew 1.2 billion crowns in two days; deposits are insured, the ministry said."),
        "pt": ("Reguladores fecham o Castelmar Savings após corrida aos depósitos", "Os reguladores fecharam o Castelmar Savings na sexta-feira depois que clientes sacaram 1,2 bilhão de coroas em dois dias; os depósitos são garantidos."),
        "pl": ("Nadzór zamyka Castelmar Savings po panice klientów", "Nadzór zamknął w piątek Castelmar Savings po tym, jak klienci wypłacili 1,2 mld koron w dwa dni; depozyty są gwarantowane, podało ministerstwo."),
        "ja": ("預金流出のカステルマール貯蓄銀行、当局が閉鎖", "当局は金曜日、2日間で12億クローネが引き出されたカステルマール貯蓄銀行を閉鎖した。預金は保護されると財務省は述べた。"),
    },
    "fire-mill": {
        "en": ("Fire destroys historic Oswin paper mill", "A fire destroyed the 1874 Oswin paper mill overnight; 130 firefighters were called and no one was hurt."),
        "nl": ("Brand verwoest historische papierfabriek Oswin", "Een brand heeft afgelopen nacht de papierfabriek Oswin uit 1874 verwoest; 130 brandweerlieden rukten uit en niemand raakte gewond."),
        "zh": ("历史悠久的奥斯温造纸厂毁于大火", "建于1874年的奥斯温造纸厂昨夜毁于大火，130名消防员到场扑救，无人受伤。"),
        "th": ("ไฟไหม้โรงงานกระดาษเก่าแก่ออสวิน", "ไฟไหม้ทำลายโรงงานกระดาษออสวินที่สร้างในปี 1874 เมื่อคืนนี้ นักดับเพลิง 130 นายเข้าระงับเหตุ ไม่มีผู้บาดเจ็บ"),
    },
    "fire-forest": {
        "en": ("Forest fire near Calder Ridge forces 3,400 to flee", "A forest fire near Calder Ridge burned 2,600 hectares and forced 3,400 people from their homes on Saturday."),
        "nl": ("Bosbrand bij Calder Ridge drijft 3.400 mensen op de vlucht", "Een bosbrand bij Calder Ridge verwoestte 2.600 hectare en dwong zaterdag 3.400 mensen hun huis te verlaten."),
        "zh": ("卡尔德岭附近森林大火致3400人撤离", "周六，卡尔德岭附近的森林大火烧毁2600公顷林地，3400人被迫离家。"),
        "th": ("ไฟป่าใกล้คาลเดอร์ริดจ์ ประชาชน 3,400 คนต้องอพยพ", "ไฟป่าใกล้คาลเดอร์ริดจ์เผาผลาญพื้นที่ 2,600 เฮกตาร์ และทำให้ประชาชน 3,400 คนต้องออกจากบ้านเมื่อวันเสาร์"),
    },
    "probe": {
        "en": ("Probe Lanthia lands on comet after 7-year journey", "The space probe Lanthia touched down on comet Verrin-2 on Thursday after a journey of 7 years, mission control said."),
        "de": ("Sonde Lanthia landet nach 7 Jahren auf Komet", "Die Raumsonde Lanthia ist am Donnerstag nach 7 Jahren Reise auf dem Kometen Verrin-2 gelandet, teilte die Leitstelle mit."),
        "ru": ("Зонд «Лантия» сел на комету после семи лет полёта", "Космический зонд «Лантия» в четверг совершил посадку на комету Веррин-2 после семилетнего полёта, сообщил центр управления."),
        "ar": ("المسبار لانثيا يهبط على مذنب بعد رحلة استمرت 7 سنوات", "هبط المسبار الفضائي لانثيا على المذنب فيرين-2 يوم الخميس بعد رحلة استغرقت 7 سنوات، حسبما أعلن مركز التحكم."),
    },
    "rocket": {
        "en": ("Rocket Teal-9 explodes on launch pad", "The uncrewed rocket Teal-9 exploded on its launch pad on Thursday during a fuelling test; nobody was injured."),
        "de": ("Rakete Teal-9 explodiert auf der Startrampe", "Die unbemannte Rakete Teal-9 ist am Donnerstag bei einem Betankungstest auf der Startrampe explodiert; verletzt wurde niemand."),
        "ru": ("Ракета Teal-9 взорвалась на стартовой площадке", "Беспилотная ракета Teal-9 взорвалась в четверг на стартовой площадке во время заправки; никто не пострадал."),
        "ar": ("انفجار الصاروخ تيل-9 على منصة الإطلاق", "انفجر الصاروخ غير المأهول تيل-9 على منصة الإطلاق يوم الخميس خلال اختبار للتزود بالوقود، ولم يصب أحد بأذى."),
    },
    "strike": {
        "en": ("Tram drivers in Gellport strike for 24 hours", "Tram drivers in Gellport walked out for 24 hours on Friday over pay; 310,000 commuters are affected."),
        "it": ("Tranvieri di Gellport in sciopero per 24 ore", "I tranvieri di Gellport hanno incrociato le braccia venerdì per 24 ore per i salari; colpiti 310.000 pendolari."),
        "ko": ("겔포트 트램 기사들 24시간 파업", "겔포트의 트램 기사들이 금요일 임금 문제로 24시간 파업에 들어갔다. 통근자 31만 명이 영향을 받는다."),
        "es": ("Los tranviarios de Gellport hacen huelga de 24 horas", "Los conductores de tranvía de Gellport pararon 24 horas el viernes por los salarios; hay 310.000 viajeros afectados."),
    },
    "museum": {
        "en": ("Stolen Renska portrait found in a laundry in Bree", "A portrait by Ilse Renska stolen in 1991 was found behind a boiler in a laundry in Bree, police said."),
        "it": ("Ritrovato in una lavanderia di Bree il ritratto rubato di Renska", "Un ritratto di Ilse Renska rubato nel 1991 è stato trovato dietro una caldaia in una lavanderia di Bree, ha detto la polizia."),
        "ko": ("도난당한 렌스카 초상화, 브레의 세탁소에서 발견", "1991년 도난당한 일제 렌스카의 초상화가 브레의 한 세탁소 보일러 뒤에서 발견됐다고 경찰이 밝혔다."),
        "es": ("Hallan en una lavandería de Bree el retrato robado de Renska", "Un retrato de Ilse Renska robado en 1991 apareció detrás de una caldera en una lavandería de Bree, informó la policía."),
    },
}  # fmt: skip
