"""The commonest words of languages: articles, pronouns, prepositions, forms of "be", "have" and "not"."""

from __future__ import annotations

FUNCTION_WORDS: dict[str, str] = {
    "english": (
        "the a an of and to in is that it for was on are as with be at by this have from or but not they "
        "which you his her she he we has had were been there their what when who will would can if do how "
        "about into your my i"
    ),
    "german": (
        "der die das und ist nicht ein eine einen einem einer zu den dem des von mit sich auf für im es ich "
        "sie er wir ihr auch als an wie bei aus nach nur noch wird sind hat haben war kann oder aber wenn "
        "dass daß was mein sein über zum zur vor durch man uns hier diese dieser"
    ),
    "dutch": (
        "de het een en van is niet dat die te op zijn voor met ik je hij ze wij aan er maar om ook als dan "
        "bij naar uit nog wel door over werd heeft hebben was deze dit geen mijn kan wat hoe waar wordt "
        "worden tot onder heb"
    ),
    "swedish": (
        "och att det som en på är av för med den till inte har om ett han hon de jag vi men från var så kan "
        "ska när eller vid hans hennes sig under efter mycket vad hur ut utan där min din varit blir"
    ),
    "danish": (
        "og at det er en på af for med den til ikke har om et han hun de jeg vi men fra var så kan skal når "
        "eller ved hans hendes sig efter meget hvad hvor ud uden der min din blev bliver også mig dig kun "
        "nogen være"
    ),
    "norwegian": (
        "og å det er en på av for med den til ikke har om et han hun de jeg vi men fra var så kan skal når "
        "eller ved hans hennes seg etter mye hva hvor ut uten der min din ble blir også meg deg bare noen "
        "være"
    ),
    "french": (
        "le la les de des du et est un une que qui dans pour pas ne il elle je nous vous ils sur avec ce "
        "cette au aux se sont plus par mais ou son sa ses leur être fait était été en si tout bien où lui mon "
        "ma mes cela ça c j qu l d n s m t a y ont sans sous aussi quand rien va"
    ),
    "spanish": (
        "el la los las de del y es un una que en no por para con se lo su al como más pero sus le ya este "
        "esta cuando muy sin sobre también me hay donde quien yo él ella ellos nos mi tu está son fue era "
        "tiene eso qué va ha he les ser han había ese esa esto usted tengo puede todo todos nada nunca bien "
        "desde hasta entre porque si"
    ),
    "portuguese": (
        "o a os as de do da dos das e é um uma que em no na nos nas não por para com se mais como mas ao foi "
        "ele ela eles eu você seu sua já muito também só quando me está são ter tem isso pelo pela esse essa "
        "este até à"
    ),
    "italian": (
        "il lo la i gli le di del della dei delle e è un una che in non per con si da al alla nel nella sono "
        "come più ma anche ha questo questa se ci io lui lei noi mi suo sua era o dal dalla sul sulla quando "
        "cosa c l"
    ),
    "catalan": (
        "el la els les de del dels i és un una que en no per amb es al com més però va ser són també aquest "
        "aquesta hi ha jo ell ella ens em seu seva o perquè molt quan on tot fer què d l s"
    ),
    "romanian": (
        "și în de la cu pe un o nu este sunt că din care pentru a se mai ce să au al ale lui ei eu el ea dar "
        "sau fost când ca prin după fi am ai are acest această îl le îi mă te ne"
    ),
    "czech": (
        "a je v na se to že s z do o i ve jsem jsi jsme jsou byl byla bylo ale jako za po od k pro by co si "
        "tak který která které nebo jeho její jen když má mít není ten ta být u kde ze při až"
    ),
    "polish": (
        "i w na z do się nie to jest że o jak po co ale za od przez dla tak był była było są czy jego jej tym "
        "ten ta te który która które lub ich mnie ja on ona tylko może już ma być ze gdy jeszcze gdzie"
    ),
    "serbian": (
        "i u je se na da su za od s sa to nije kao koji koja koje a ali ili iz o po do bi će sam si smo ste "
        "bio bila bilo ne što šta kako samo može ovo ova taj ta te ga joj mu mi ti on ona oni и у је се на да "
        "су за од са то није као који која које а али или из о по до би ће сам си смо сте био била било не "
        "што шта како само може ово ова тај та те га јој му ми ти он она они"
    ),
    "lithuanian": (
        "ir yra kad į iš su tai kaip bet ar buvo ne jis ji jie aš mes jūs tu už apie nuo per dėl po prie tik "
        "dar jau gali labai savo jo jos jų kas kur kai man jei bus nėra buvau kurie kuris kuri"
    ),
    "finnish": (
        "ja on ei se että oli hän minä sinä he me te joka mutta ovat kun niin kuin myös tai olen olet mitä "
        "jos voi nyt vain sen hänen minun sinun tämä tämän siitä siellä tässä ole mikä kuka jotka"
    ),
    "estonian": (
        "ja on ei see et oli ta ma sa me te nad mis aga kui ka või kes oma seda selle olen oled pole mida "
        "siis nagu välja kõik veel juba minu sinu tema meie nende ning ära ole siin seal"
    ),
    "hungarian": (
        "a az és hogy nem is egy van volt ez azt ezt meg csak már de ha mint el ki be fel én te ő mi ti ők "
        "vagy lesz lett még nagyon után minden így úgy aki ami amely mert itt ott sem való alatt"
    ),
    "turkish": (
        "ve bir bu da de için ile çok ne o ben sen biz siz onlar değil var yok daha mi mı gibi olarak olan "
        "ama en kadar sonra her şey ki diye bana sana ona beni onu benim senin onun nasıl ya mu mü"
    ),
    "basque": (
        "eta da ez bat du dut zen izan dira zuen egin dago baina hau hori ere dute nire zure bere zer nola "
        "non oso gehiago edo batean dela duela ditu naiz zara gara ni zu gu haiek"
    ),
    "irish": (
        "agus an na is ar a ní go tá sé sí i le bhí do de mar ach nach bhfuil ag atá féin mé tú siad muid sin "
        "seo cad raibh as faoi gur níl ó chuig orm agam"
    ),
    "indonesian": (
        "dan yang di ini itu dengan untuk dari tidak ke adalah pada akan saya kamu dia mereka kami kita ada "
        "juga bisa atau oleh sudah telah dalam orang seperti lebih karena tetapi bukan apa bagaimana anda aku"
    ),
    "esperanto": (
        "la kaj de en estas ne al mi vi li ŝi ili ni ke por kun sed ĉu kiu kio tio tiu estis ĝi pri el sur "
        "per ĉi kiel oni mia via lia pli tre jam nur havas povas"
    ),
    "sesotho": (
        "le ka ho ba e ke ha ya tsa wa o se re na hore mme empa hae bona haholo moo ene kapa eng ntho batho "
        "motho ena tsena joalo hape"
    ),
    "russian": (
        "и в не на что я с он а как это по она но они мы вы к у из за от бы его её ее то так все было был "
        "была для о же ты если или когда мне меня нет только уже чтобы очень есть быть этот эта кто где их"
    ),
    "arabic": (
        "في من على أن إلى هذا هذه التي الذي كان لا ما لم هو هي مع عن أنا كل قد هل كانت ذلك أو لقد إن ليس هناك "
        "بعد قبل كما يمكن لك لي يكون هم نحن أنت كنت وقد به"
    ),
    "persian": (
        "و در به از که این را با است آن برای یک بود می خود تا شد شود هم کرد من او ما شما آنها بر یا اما نیست "
        "هر چه پس نمی دارد باید اگر همه باشد های ها"
    ),
    "hindi": (
        "है के में की का से को और हैं यह पर नहीं था वह एक मैं ने हो भी थी कि कर तो ही ये इस उस हूँ क्या हम आप "
        "रहा लिए गया मुझे वे अपने साथ कुछ जो मेरे थे"
    ),
    "nepali": (
        "छ र को मा हो यो गर्न छन् भएको पनि ले लाई छैन थियो म तिमी उनी हामी त्यो के गरेको भन्ने तर हुन् एक "
        "गर्छ मेरो तपाईं गर्ने हुन्छ भयो हरू"
    ),
    "yiddish": (
        "און די דער איז צו אַז אז ניט נישט אַ א פון פֿון מיט איך ער זי עס מיר איר זיי אויף דאס דאָס האט האָט "
        "זיין אין וואס וואָס ווי"
    ),
    "greek": (
        "και το να η ο την του της τα των με για που στο στη στην δεν είναι από θα ένα μια ότι τον οι αυτό "
        "μου σου τι στον έχει ήταν αλλά πολύ αν όταν κι τους τις πως όχι"
    ),
    "armenian": "է և եմ են ու որ մի այս իմ նա չի չեմ էր ես դու մենք նրա համար ինչ մեջ իր այդ ամեն կամ եթե հետ պետք",
    "tamil": ("ஒரு என்று அந்த இந்த மற்றும் நான் அவர் அது இது என் அவள் அவன் நீ என்ன உள்ளது இல்லை ஆகும் என நாம் அவர்கள் தான்"),
    # without a stemmer: so that they are not taken for their neighbours
    "afrikaans": (
        "die en van is nie het dit te op sy vir met ek jy hy hulle ons aan maar om ook as dan by uit nog deur "
        "oor word was hierdie geen my kan wat hoe waar tot onder sal"
    ),
    "slovak": (
        "a je v na sa to že s z do o aj vo som si sme sú bol bola bolo ale ako za po od k pre by čo tak ktorý "
        "ktorá ktoré alebo jeho jej len keď má mať nie ten tá byť kde zo pri až"
    ),
    "slovenian": (
        "in je v na se da za so ki z ne pa to s tudi ali kot po od sem si smo ste bil bila bilo kaj če samo "
        "iz pri ga mu jih več ima kako sta"
    ),
    "latvian": (
        "un ir ka no uz ar par es tas viņš viņa nav bet kā vai bija lai tikai pie mēs jūs tu kas šis šī ļoti "
        "arī pēc to ja man būt savu"
    ),
    "vietnamese": (
        "và của là có không được trong cho một người những với các này đã tôi anh để khi từ ở cũng đến như về "
        "rất bạn nó làm sẽ thì mà ông chúng"
    ),
    "swahili": (
        "ya wa na kwa ni katika za la kuwa cha yake hii huyo mimi wewe yeye sisi wao si kama lakini hakuna "
        "kila tu sana vya hiyo au alikuwa ana nini wangu yangu pia baada nina"
    ),
    "tagalog": (
        "ang ng sa na at ay mga si ko mo niya siya ako ikaw hindi kung para ito may iyon nang lang ba natin "
        "sila kami naman pa po ni kay wala"
    ),
    "ukrainian": (
        "і в не на що я з він а як це по вона але вони ми ви до у із за від б його її то так все було був "
        "була для о ж ти якщо або коли мені мене немає тільки вже щоб дуже є бути цей ця хто де їх та й"
    ),
    "bulgarian": (
        "и в не на че аз с той а как това по тя но те ние вие към у от за би го я то така всичко беше са да "
        "се си съм ще ли ако или когато ми ме няма само вече много е този тази кой къде им"
    ),
    "urdu": (
        "ہے کے میں کی کا سے کو اور ہیں یہ پر نہیں تھا وہ ایک نے ہو بھی تھی کہ کر تو ہی اس ہوں کیا ہم آپ رہا لیے گیا"
    ),
    "marathi": (
        "आहे आणि च्या या मी तो ती ते हे की होते होता नाही का आम्ही तुम्ही त्या एक पण काय आहेत केला केली मला त्याने माझा माझे कर तर"
    ),
    "hebrew": (
        "של את לא על הוא היא אני זה עם כי גם כל יש אם אבל מה היה אין או הם אתה זאת יותר רק לי לו שלי כמו היו אנחנו"
    ),
}
"""Those of every language with a stemmer, by Snowball's names, and of some without one."""
