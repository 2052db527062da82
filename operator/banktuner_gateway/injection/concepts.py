# ruff: noqa: RUF001 -- letters of other alphabets are meant
"""Words that attacks are made of, by what they mean, in fifteen languages. rules.py says which together are one.

An entry: a word, a stem (with `*`), or a phrase (words joined by `_`). Spelling is folded: no case, no accents.
"""

CONCEPTS: dict[str, str] = {
    "ignore": """
        ignor* disregard* forget forgetting overrid* bypass* neglect* discard* circumvent* set_aside put_aside lay_aside
        leave_aside rules_aside no_attention stop_following not_follow never_follow not_obey no_longer_follow
        stop_obeying skip
        scrap throw_away pass_over do_not_need not_need abandon break_free outdated
        ignorier* vergiss vergessen missacht* uberspring* ubergeh* beachte_nicht nicht_beachten
        oublie oubliez ignorez neglige* passe_outre ignora ignore olvida olvide haz_caso_omiso omite descarta
        dimentica dimentichi trascura scarta esqueca esquec* desconsider* negeer* vergeet vergeten
        игнорир* забудь забудьте отбрось не_обращай не_следуй ігнор* забуд* zignor* ignoruj* zapomn* pomin*
        yok_say gormezden unut unutun dikkate_alma bo_qua abaikan lupakan glom ignorera
        忽略 忘记 忘掉 无视 忽视 不要理会 無視 忘れ 무시* 잊어* 잊고* تجاهل انس انسي اهمل अनदेख* भूल* नजरअंदाज
    """,
    "remove": """
        remov* disabl* turn_off turned_off switch_off deactivat* lift lifted lifting suspend* drop delet* eras*
        cancel* void
        break breaking violate unlock* free_of without no_longer_apply not_apply stop_using shed lose get_rid
        deaktivier* schalte abschalten ausschalt* aufheb* losch* desactiv* desativ* disattiv* supprim* elimin* schakel
        отключ* wylacz* devre_disi 取消 关闭 解除 해제 عطل बंद
    """,
    "orders": """
        instruction instructions instr rule rules ruleset guideline* directive* prompt prompts programming constraint*
        restriction restrictions polic* safeguard* guardrail* filter filters safety_* content_filter system_message
        training
        preamble limitation* ethics morals moral censorship
        anweisung* regel* vorgabe* richtlinie* instruktion* beschrankung* einschrankung* consigne* regle* directives
        restricciones instruccion* regla* directri* instrucoe* regra* diretriz* restrico* istruzion* regol* direttiv*
        restrizion* instructie* regels richtlijn* инструкц* правил* указани* ограничен* інструкц* настанов* instrukcj*
        zasad* polecen* wytyczn* talimat* kural* yonerge* huong_dan quy_tac instruksi aturan instruktion* regler
        指令 指示 规则 規則 規定 规定 限制 命令 ルール 指針 지시* 규칙* 명령* 지침* تعليمات التعليمات قواعد* القواعد
        تعليماتك
        निर्देश* नियम*
    """,
    "limits": "limit limits boundary boundaries",
    "prior": """
        previous previously prior earlier above before preceding initial initially original originally old former
        foregoing
        all every each any everything foregone beginning so_far until_now up_to_now
        vorherig* vorige* bisherig* fruher* obig* alle aller allen samtlich* precedent* anterieur* anterior* previas
        toute
        toutes tous todas todos precedenti tutte tutti eerdere vorige alle предыдущ* прежн* все всех попередн* усі
        poprzedni* wszystki* wczesniejsz* onceki tum butun truoc_do moi sebelumnya semua tidigare alla
        之前 以前 先前 所有 上面 全部 これまで すべて 前の 以前の 이전* 모든 앞의 السابقة جميع كل पिछल* सभी
    """,
    "your": """
        your yours you_were_given you_have_been you_received you_got given_to_you you_run you_have you_follow
        you_must of_you
        deine deinen deiner deines dein tes ton vos tus tu suas sua seu teus tuas le_tue tuo tuoi je jouw свои твои
        своих
        твой своих свій свої swoich swoje twoje kurallarini talimatlarini nya_ dina 你的 您的 あなたの 너의 네 당신의
        قواعدك
        تعليماتك الخاصة_بك अपने तुम्हारे
    """,
    "reveal": """
        reveal* print* show output* display* repeat* quote recite list tell write spell translate* summari* encode*
        disclose*
        dump leak* expose give send paste copy share what_is what_are what_were what_does whats include say complete
        describe explain
        rephrase paraphrase state which how_exactly put echo cat return print_out go_on_with extract
        zeige zeig gib nenne wiederhol* schreib* verrate ubersetz* montre affiche repete revele donne ecris traduis
        muestra*
        muestrame revela repite escribe* dime dame traduce mostra* mostre mostrami rivela ripeti scrivi dimmi revele
        escreva
        repita toon vertel herhaal geef onthul покажи* раскрой повтори напиши выведи pokaz* ujawnij powtorz wypisz
        goster*
        yaz tekrarla acikla visa berata hien_thi tampilkan 显示 告诉 输出 重复 打印 泄露 表示 教えて 見せ 出力 보여*
        출력 알려*
        اعرض اظهر اكشف كرر दिखा* बता*
    """,
    "told": """
        you_were_told were_you_told you_are_told were_you_given you_were_given you_have_been_given you_had_been_given
        you_received you_run_with are_you_configured you_are_configured you_were_configured you_were_asked
        developers_told developer*_wrote developer*_said operator*_wrote
        what_they_told_you
        operators_forbid creators_told you_were_instructed were_you_instructed you_are_instructed you_were_programmed
        forbid_you forbidden_to_you your_rules_forbid recues recibiste ricevuto ontvangen получил
    """,
    "instructions": """
        instructions instruction guidelines directives prompt preamble configuration orders message_of_the_system
        system_message
        system_text context_window first_message setup_text rules programming
        anweisungen vorgaben systemnachricht consignes instrucciones istruzioni instrucoes instructies инструкции
        instrukcje
        talimatlar* 指令 提示词 指示 지시 التعليمات निर्देश
    """,
    "hidden": """
        hidden secret confidential internal initial verbatim word_for_word word_by_word letter_by_letter exact_words
        original
        own full entire whole very_first undisclosed forbidden
        geheim* internen interne wortlich versteckt* mot_pour_mot cachees secretes internes ocultas secretas
        palabra_por_palabra
        nascoste segrete parola_per_parola ocultas palavra_por_palavra verborgen скрыт* секретн* дословно ukryt* gizli
        隐藏 内部 秘密 隠された 内部の 숨겨진 السرية छिपे
    """,
    "prompt": """
        system_prompt* systemprompt* your_prompt your_initial_prompt your_own_prompt hidden_prompt initial_prompt
        full_prompt
        secret_prompt prompt_you_were prompt_text your_full_prompt your_system_message your_system_text
        the_system_message_of
        your_preamble your_first_message prompt_systeme prompt_de_sistema prompt_di_sistema mensaje_de_sistema
        mensaje_del_sistema mensagem_do_sistema message_systeme messaggio_di_sistema systeemprompt* systeembericht
        systemnachricht системн*_промпт* системн*_подсказк* системн*_сообщен* системний_промпт prompt_systemow*
        prompt_system* sistem_mesajini sistem_istemi* sistem_promptu* 系统提示 提示词 系统消息 システムプロンプト
        시스템_프롬프트
        시스템_메시지 رسالة_النظام موجه_النظام सिस्टम_प्रॉम्प्ट* sys_prompt dein_prompt
    """,
    "above": """
        everything_above text_above words_above all_above the_above above_this above_starting before_this_message
        before_this_line before_this_chat before_our_chat first_message first_line_of_your
        beginning_of_this_conversation
        start_of_this_conversation beginning_of_our_conversation before_my_first_message
    """,
    "persona": """
        pretend pretends act_as act_like acting_as roleplay role_play you_are_now you_are_no_longer from_now_on_you
        you_are_an_ai you_are_a you_are_an you_will_be imagine_you imagine_that_you simulat* assume_the_persona persona
        become be_my speak_as answer_as respond_as play_the_part stay_in_character in_character switch_to behave_as
        named
        new_name your_name called hypothetical_world hypothetical_scenario version_of_yourself write_a_dialogue you_re
        two_characters an_unfiltered enable enter entered activate of_yourself now_an_assistant
        du_bist_jetzt du_bist_ab tu_so_als tu_als verhalte_dich spiele stell_dir tu_es_desormais fais_comme_si
        agis_comme
        fais_semblant eres_ahora actua_como finge finja aja_como fai_finta comportati sei_ora voce_agora doe_alsof
        je_bent_nu
        gedraag представь притворись теперь_ты ты_теперь веди_себя udawaj jestes_teraz zachowuj gibi_davran sen_artik
        从现在起你是 你现在是 假装 扮演 振る舞 ふりを なりきって 척해* 척_해* 이제_너는 تظاهر انت_الان ढोंग अब_तुम
    """,
    "ai": """
        ai ais assistant chatbot chatbots llm llms robot language_model ai_model model bot ki ia si yz 人工智能 模型
        助手
        人工知能 モデル 인공지능* 챗봇 ии нейросеть бот ассистент assistent asistente assistente inteligencja*
        sztuczn* yapay_zek* ذكاء_اصطناعي एआई gpt
    """,
    "unbound": """
        without_restriction* without_rule* without_any_restriction* without_any_rule* without_any_filter*
        without_any_limit*
        without_filter* without_limit* without_guideline* no_rules no_limits no_restrictions no_restriction no_filters
        no_filter no_morals no_ethics no_guidelines no_boundaries no_rules_exist never_refus* never_says_no never_say_no
        not_refuse must_not_refuse unfiltered uncensored unrestricted unethical amoral immoral jailbroken jailbreak*
        do_anything_now dan free_of_all free_of_rules free_of_any evil_twin evil_version evil_ai be_evil an_evil
        rogue hacker limitless ignores_the ignores_its
        ignores_all breaks_them break_every_rule break_all_rules all_safeguards safeguards_disabled not_allowed_to
        developer_mode god_mode sudo_mode debug_mode dan_mode opposite_mode unrestricted_mode
        ohne_einschrankung* ohne_regeln ohne_jede* ohne_beschrankung* ohne_grenzen sans_restriction* sans_aucune
        sans_limite*
        sans_filtre* sans_regle* sin_restriccion* sin_limite* sin_reglas sin_filtro* senza_limiti senza_restrizion*
        senza_regole senza_filtri sem_restric* sem_limite* sem_regras zonder_beperking* zonder_regels zonder_grenzen
        без_ограничен* без_правил без_цензур* bez_ograniczen bez_zasad bez_cenzury kisitlamasi_olmayan sinirsiz kuralsiz
        hicbir_kisitlama* 没有任何限制 没有限制 不受限制 无限制 没有规则 制限のない 制限なし 制限がない 제한이_없*
        제한_없*
        بلا_قيود بدون_قيود बिना_किसी utan_begransning* tanpa_batasan
    """,
    "machine": """
        linux_terminal linux_shell python_interpreter sql_console bash_shell unix_terminal python_console
        root_shell
    """,
    "claim": """
        your_developer* your_creator* your_engineer* your_maker* your_owner* your_vendor vendor_of_this openai anthropic
        sudo root_access admin_override system_override auditor_of_this this_is_the_administrator order_of_the_bank
        security_auditor developers_of_this i_am_the_developer maintenance_mode safety_test user_is_root as_your_admin*
        entwickler your_operators your_operator i_am_root i_made_you i_built_you trained_you red_team*
    """,
    "power": """
        restriction* rules filter filters prompt limits safety safeguards guidelines everything unlock* override
        permission
        authorise* authorize* accepted without_filters anything root filter_off policies
    """,
    "neworders": """
        new_instruction* updated_instruction* new_orders updated_orders new_persona new_directive* new_system
        your_only_task
        your_new_task your_task_now your_new_role stop_being no_longer_an_assistant new_task instead_you
        old_instruction*
        previous_instruction* instead_follow follow_mine only_to_me listen_only obey_me answer_any_question
        on_any_topic everything_i_ask anything_i_ask whatever_i_say you_obey
    """,
    "you": "you your yourself user ignore disregard list reply answer obey deleted print reveal",
    "obey": """
        obey* execute execute_them do_what_it do_what_they do_as_it do_what_he carry_out carry_them act_on_it follow_it
        obey_it what_it_says as_it_says run then_follow obeying comply follow_this follow_them befolge
    """,
    "transform": """
        decod* decipher* decrypt* unscramble concatenat* join combine rot13 base64 base32 hex binary morse ascii
        backwards
        reverse first_letters every_second second_word replace split_on brackets fill_the_blanks fill_in_the pieces
        codes encoded double_encoded a_b b_c x_and_y bytes caesar
    """,
    "demand": """
        must shall should print output say write reply answer reveal repeat stop forget ignore disregard obey forward
        follow
        respond it_shall has_to instead
    """,
    "reader": """
        to_the_ai to_the_llm to_ai if_you_are_an_ai if_you_are_an_llm if_you_are_a_language_model attention_ai ai_agents
        any_ai any_assistant language_model_reading model_reading assistant_reading ai_reading model_processes
        ai_that_reads model_that_reads chatbot_forget assistant_must assistant_shall assistant_ignore
        assistant_disregard
        assistant_print to_the_chatbot to_the_assistant to_the_model dear_ai dear_llm hey_ai note_to_ai
        to_language_models
        ai_systems llms_reading
    """,
    "fixed": """
        reply_only answer_only say_only respond_only only_with_the_word nothing_but and_nothing_else only_the_word
        and_write_access answer_nothing say_hacked say_pwned word_pwned print_pwned print_hacked output_the_word
        confirm_by_saying confirm_with print_ok instead_of_proofreading be_free say_yes
    """,
    "injected": """
        end_of_data end_of_user_input end_of_document end_of_input begin_system note_to_the_ai stop_here disregard
        ignore
        forget_what_you approve_refund asked instead new_instruction new_task last_sentence last_line
    """,
    "agreed": """
        as_agreed as_we_agreed you_agreed you_promised as_established you_already_agreed last_chat between_us
    """,
    "dialogue": "complied obey_i i_obey",
    "bank": """
        payment* pay payee* standing wire transfer* landlord deposit* overdraft mortgage* loan* card* account*
        invoice cheque*
        debit uberweisung* dauerauftrag* konto virement* compte* transferencia* cuenta* bonifico conto transferencia
        conta
        overboeking rekening перевод* счет* счёт* przelew* rachun* hesap* havale* 转账 账户 振込 口座 이체 송금 계좌
        تحويل الحساب
        ट्रांसफर खाते
    """,
    "about": """
        instruction*_for instruction*_on instruction*_to instruction*_in_the instruction*_you_mentioned
        guidelines_for guidelines_on
        rules_for rules_on rules_of rules_about rules_allow polic*_on polic*_for polic*_about polic*_of restriction*_on
        filter_in filters_in limits_for limits_on i_gave i_sent lending_guidelines dispute_deadlines three_tries
        regel*_fur anweisung*_fur regle*_pour consigne*_pour instruction*_pour regla*_para regla*_de instruccion*_para
        istruzion*_per regol*_per regra*_para instruco*_para regels_voor instructies_voor правил*_для инструкц*_по
        zasad*_dla instrukcj*_przelewu
    """,
}
